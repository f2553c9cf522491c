/** The status page as text: always run; what a browser makes of it is in browser.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import ts from 'typescript'
import { ceilingOf } from '../../../src/cli/monitoring/chart.js'
import { html } from '../../../src/cli/monitoring/html.js'
import { renderPage } from '../../../src/cli/monitoring/page.js'
import { STYLE } from '../../../src/cli/monitoring/style.js'
import type { Status } from '../../../src/cli/status/status.js'
import { loadSource, walk } from '../../kit/source.js'
import { BUSY, HOSTILE, IDLE, SENDER } from '../../kit/status.js'

const VOID = new Set(['meta', 'link'])

/** Tags that are not closed in order, closed twice, or never; the DOCTYPE and self-closing tags aside. */
function misnested(page: string): string[] {
  const open: string[] = []
  const wrong: string[] = []
  for (const [, slash, name = '', , self] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)((?:"[^"]*"|[^">])*?)(\/?)>/gu)) {
    if (slash === '/') {
      if (open.pop() !== name) wrong.push(`</${name}>`)
    } else if (self !== '/' && !VOID.has(name)) open.push(name)
  }
  return [...wrong, ...open]
}

const text = (page: string): string =>
  page
    .replace(/<style[^]*?<\/style>|<[^>]*>/gu, ' ')
    .replace(/\s+/gu, ' ')
    .replaceAll('\u202f', ' ')

test('every page is well-formed, and has nothing but its style from anywhere', () => {
  for (const status of [BUSY, IDLE, SENDER]) {
    const page = renderPage(status).text
    assert.deepEqual(misnested(page), [])
    assert.ok(page.startsWith('<!doctype html>'))
    assert.deepEqual([...page.matchAll(/(?:href|src|action|xlink:href)="([^"]*)"/gu)].map(([, to]) => to).sort(), [
      '/metrics',
      '/style.css',
    ])
    assert.doesNotMatch(page, /<script|<iframe|<img|<form|<object| style=| on[a-z]+="|javascript:/u)
    assert.match(page, /<html lang="en">[^]*<title>[^<]+<\/title>[^]*<h1>[^]*<main>/u)
  }
  assert.doesNotMatch(STYLE, /@import|url\(/u)
})

test('the check of the structure can fail', () => {
  assert.deepEqual(misnested('<p><b>x</p></b>'), ['</p>', '</b>'].slice(0, 2))
  assert.deepEqual(misnested('<p>x'), ['p'])
})

test('what is told is there', () => {
  const page = text(renderPage(BUSY).text)
  for (const words of [
    'ssmreceive connected',
    'to msg.example.org:61614 since 2026-11-26 11:30:00 UTC (30 min ago)',
    '295 stored, last minute',
    '1 234 567 stored since the start',
    'not-listed the signer is not in the list of allowed DNs 1',
    'held 2',
    'outdated CRLs 1',
    'next CRL ends in 3 d',
    'journal 8 files, 12 MiB',
    '/C=XX/CN=a 1 234 562 0 3 s ago',
    '9 messages came from signers beyond those that are counted by name.',
    '60 min ago 45 30 15 now',
  ]) {
    assert.ok(page.includes(words), `${words}\n${page}`)
  }
  const idle = text(renderPage(IDLE).text)
  for (const words of [
    'ssmreceive paused',
    'No messages in the last hour',
    'Nobody has sent anything since the start.',
  ]) {
    assert.ok(idle.includes(words), words)
  }
  const sender = text(renderPage(SENDER).text)
  for (const words of ['7 sent, last hour', '4 waiting in outgoing', 'set aside 1']) {
    assert.ok(sender.includes(words), `${words}\n${sender}`)
  }
  assert.ok(!sender.includes('Signers'))
})

test('outside text is text, wherever it stands', () => {
  const evil = `</td></title><script>x</script>"'><svg onload=x>`
  const status: Status = {
    ...BUSY,
    link: { state: 'connected', peer: evil, since: BUSY.since },
    reasons: { [evil]: 1 },
    signers: [{ signer: HOSTILE, stored: 1, refused: 1, last: BUSY.now }],
    version: evil,
    ...(BUSY.trust === undefined ? {} : { trust: { ...BUSY.trust, failed: evil } }),
  }
  const page = renderPage(status).text
  assert.deepEqual(misnested(page), [])
  assert.doesNotMatch(page, /<script|<svg onload|<img/u)
  assert.ok(page.includes('/C=XX/CN=&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&#96;&amp;&lt;img'))
  const nested = html`<p title="${evil}">${[1, html`<i>2</i>`, '<b>']}</p>`.text
  assert.ok(nested.endsWith('&lt;svg onload=x&gt;">1<i>2</i>&lt;b&gt;</p>'), nested)
})

test('HTML is made in one place', () => {
  const loose: string[] = []
  for (const { path, ast } of loadSource().filter((file) => file.path.startsWith('cli/monitoring/'))) {
    walk(ast, (node) => {
      if (!ts.isStringLiteral(node) && !ts.isTemplateLiteral(node)) return
      const isOurs = ts.isTaggedTemplateExpression(node.parent) && node.parent.tag.getText(ast) === 'html'
      if (!isOurs && /<[a-z/!]/u.test(textAround(node.getText(ast)))) loose.push(`${path}: ${node.getText(ast)}`)
    })
  }
  assert.deepEqual(loose, [])
})

/** A template without what is put into it: that has its own look. */
const textAround = (template: string): string => template.replace(/\$\{[^]*\}/u, '')

test('the scale of the chart ends at a number that people read', () => {
  assert.deepEqual([0, 1, 2, 3, 7, 11, 399, 401, 99_999].map(ceilingOf), [2, 2, 2, 4, 10, 20, 400, 600, 100_000])
  const heights = [...renderPage(BUSY).text.matchAll(/<rect class="stored"[^>]*height="([\d.]+)"/gu)].map(([, h]) =>
    Number(h),
  )
  assert.equal(heights.length, 59)
  assert.ok(heights.every((height) => height >= 1 && height <= 100))
})
