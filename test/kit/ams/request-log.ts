/** The double's log of requests, for assertions. */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FaultRule } from './faults.js'
import type { RouteName } from './routes.js'

/** One request as it came, and what became of it. */
export interface LoggedRequest {
  readonly n: number
  /** ms since the server was made. */
  readonly at: number
  readonly route: RouteName | null
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Empty with `logBodies: false`. */
  body: string
  /** Which connection, from 1, and the how-manieth request on it. */
  readonly connection: number
  readonly onConnection: number
  /** null: none was sent (yet). */
  status: number | null
  fault: FaultRule | null
}

/** A connection: its number, from 1, and how many requests it has served. */
interface Use {
  readonly number: number
  served: number
}

export interface RequestLog {
  readonly requests: LoggedRequest[]
  count(route: RouteName): number
  /** How many of a route were under way at once, at most. */
  peak(route: RouteName): number
  /** Has this connection served a request before? */
  isReused(socket: Socket): boolean
  add(request: IncomingMessage, url: URL, route: RouteName | null, fault: FaultRule | undefined): LoggedRequest
  /** Runs the work of a request; counted while it is under way. */
  during(route: RouteName | null, work: () => Promise<void>): Promise<void>
}

export function createRequestLog(): RequestLog {
  const begun = Date.now()
  const requests: LoggedRequest[] = []
  const busy = new Map<RouteName | null, number>()
  const peaks = new Map<RouteName | null, number>()
  const uses = new WeakMap<Socket, Use>()
  let connections = 0
  const useOf = (socket: Socket): Use => {
    const use = uses.get(socket) ?? { number: ++connections, served: 0 }
    uses.set(socket, use)
    return use
  }
  return {
    requests,
    count: (route) => requests.filter((each) => each.route === route).length,
    peak: (route) => peaks.get(route) ?? 0,
    isReused: (socket) => useOf(socket).served > 0,
    add(request, url, route, fault) {
      const use = useOf(request.socket)
      use.served += 1
      const entry: LoggedRequest = {
        n: requests.length + 1,
        at: Date.now() - begun,
        route,
        method: request.method ?? '',
        path: url.pathname,
        query: url.search,
        headers: request.headers,
        body: '',
        connection: use.number,
        onConnection: use.served,
        status: null,
        fault: fault ?? null,
      }
      requests.push(entry)
      return entry
    },
    async during(route, work) {
      const running = (busy.get(route) ?? 0) + 1
      busy.set(route, running)
      peaks.set(route, Math.max(running, peaks.get(route) ?? 0))
      try {
        await work()
      } finally {
        busy.set(route, (busy.get(route) ?? 1) - 1)
      }
    },
  }
}
