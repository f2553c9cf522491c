/** Lists in pages, newest first; and who may use a topic or subscription. */
import { ok, okText, refuse, type Answer } from './answers.js'
import { own, parsed, type Call } from './call.js'
import { decodeObject, textsOf } from './go-json.js'
import type { User, World } from './world.js'

interface Listed {
  readonly seq: number
  readonly acl: readonly string[]
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly nextPageToken: string
  readonly totalSize: number
}

/** The name of an entry in the store: 24 hex digits; in a token once more as Base64. */
const entryId = (seq: number): string => seq.toString(16).padStart(24, '0')
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Where a page begins. Throws Refusal for a token that is none. */
function startOf(token: string): number {
  if (token === '') return Infinity
  const id = BASE64.test(token) ? Buffer.from(token, 'base64').toString() : ''
  if (!/^[0-9a-fA-F]{24}$/.test(id)) throw refuse.invalidData('Invalid page token')
  return Number.parseInt(id, 16)
}

/** `role`: who has it, and is no administrator, sees what he is listed for. */
export function pageOf<T extends Listed>(call: Call, all: readonly T[], role: string): Page<T> {
  const size = call.query.get('pageSize') ?? ''
  if (size !== '' && !/^[+-]?\d{1,18}$/.test(size)) throw refuse.invalidData('Invalid page size')
  const start = startOf(call.query.get('pageToken') ?? '')
  const admin = call.roles.includes('project_admin') || call.roles.includes('service_admin')
  const uuid = call.user?.uuid ?? ''
  const mine = admin || !call.roles.includes(role) ? all : all.filter(({ acl }) => acl.includes(uuid))
  const from = mine.filter(({ seq }) => seq <= start).sort((a, b) => b.seq - a.seq)
  const limit = Number(size) > 0 ? Number(size) : from.length
  const next = from[limit]
  return {
    items: from.slice(0, limit),
    nextPageToken: next === undefined ? '' : Buffer.from(entryId(next.seq)).toString('base64'),
    totalSize: mine.length,
  }
}

const userBy = (world: World, matches: (user: User) => boolean) => Object.values(world.state.users).find(matches)

export function showAcl(world: World, { acl }: { readonly acl: readonly string[] }): Answer {
  const names = acl.flatMap((uuid) => userBy(world, (user) => user.uuid === uuid)?.name ?? [])
  return ok({ authorized_users: names })
}

/** What is not there is changed as well: the store's update finds nothing, and that is no error to it. */
export function modifyAcl(world: World, call: Call, what: string, listed: { acl: string[] } | undefined): Answer {
  const names = parsed(
    () => {
      const list = decodeObject(call.body).list('authorized_users')
      if (list === undefined) throw new Error('no list')
      return textsOf(list)
    },
    () => refuse.invalidArguments(`${what} ACL`),
  )
  const member = (name: string): User | undefined =>
    userBy(world, (user) => user.name === name && own(user.projects, call.project.name) !== undefined)
  const absent = names.filter((name) => member(name) === undefined)
  if (absent.length > 0) throw refuse.absentUsers(absent.join(', '))
  if (listed !== undefined) listed.acl = names.flatMap((name) => member(name)?.uuid ?? [])
  return okText('')
}
