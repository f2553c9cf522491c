/** A directory as it is, to see later that nothing in it was touched. */
import { lstatSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** A line an entry: name, kind and mode, size, times to the nanosecond (reading moves none of them), and what files contain. */
export function treeOf(dir: string): readonly string[] {
  const names = ['.', ...readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()]
  return names.map((name) => {
    const path = join(dir, name)
    const { mode, size, mtimeNs, ctimeNs, ino, isFile } = describe(path)
    return [name, mode, size, mtimeNs, ctimeNs, ino, isFile ? readFileSync(path, 'base64') : ''].join(' ')
  })
}

function describe(path: string) {
  const stats = lstatSync(path, { bigint: true })
  return { ...stats, isFile: stats.isFile() }
}
