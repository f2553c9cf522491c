/**
 * A request on its way to a handler, and the checks that come before one, in the server's order: syntax of the names, a
 * token at all, the project, the token, the role. What the resource is, and who is in its list, the handlers look at.
 */
import { refuse, type Answer } from './answers.js'
import type { Route } from './routes.js'
import { userOfToken, type Project, type Role, type Subscription, type Topic, type User, type World } from './world.js'

export interface Call {
  readonly route: Route
  readonly query: URLSearchParams
  readonly body: string
  readonly token: string
  /** Set where a route names a project. */
  readonly project: Project
  readonly user: User | undefined
  readonly roles: readonly Role[]
  /** A fault: a publish fails after so many of its messages are written. */
  readonly failAfter?: number
}

const VALID_NAME = /^[a-zA-Z0-9_-]+$/

/** Handlers of these look at the token themselves, or not at all. */
const OPEN_ROUTES: ReadonlySet<string> = new Set(['ams:healthStatus', 'users:profile', 'version:list'])

export function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

export function tokenIn(world: World, header: string | undefined, query: URLSearchParams): string {
  const inQuery = query.get('key') ?? ''
  switch (world.behaviour.authOption) {
    case 'header':
      return header ?? ''
    case 'key':
      return inQuery
    case 'both':
      return header === undefined || header === '' ? inQuery : header
  }
}

export interface Incoming {
  readonly route: Route
  readonly query: URLSearchParams
  readonly body: string
  readonly token: string
  readonly failAfter?: number
}

// Routes without a project never look at it: a project that is nobody's.
const NO_PROJECT: Project = { name: '', uuid: '', createdOn: 0, topics: {}, subscriptions: {} }

/** Throws Refusal. */
export function admit(world: World, incoming: Incoming): Call {
  const { route, token } = incoming
  for (const [variable, value] of Object.entries(route.params).sort()) {
    if (!VALID_NAME.test(value)) throw refuse.invalidName(variable)
  }
  if (OPEN_ROUTES.has(route.name)) {
    if (world.behaviour.forbidden.includes(route.name)) throw refuse.forbidden()
    return { ...incoming, project: NO_PROJECT, user: userOfToken(world, token), roles: [] }
  }
  if (token === '') throw refuse.unauthorized()
  const name = route.params.project
  const project = name === undefined ? NO_PROJECT : own(world.state.projects, name)
  if (project === undefined) throw refuse.absent('project')
  const user = userOfToken(world, token)
  const roles = user === undefined ? [] : [...(own(user.projects, project.name) ?? []), ...user.serviceRoles]
  if (roles.length === 0) throw refuse.unauthorized()
  const allowed = roles.some((role) => {
    const routes = own(world.behaviour.roles, role) ?? []
    return routes.includes('*') || routes.includes(route.name)
  })
  if (!allowed || world.behaviour.forbidden.includes(route.name)) throw refuse.forbidden()
  return { ...incoming, project, user, roles }
}

/** The topic named in the path. Throws Refusal 404. */
export function topicOf(call: Call): Topic {
  const topic = own(call.project.topics, call.route.params.topic ?? '')
  if (topic === undefined) throw refuse.absent('Topic')
  return topic
}

export function subscriptionOf(call: Call): Subscription {
  const found = own(call.project.subscriptions, call.route.params.subscription ?? '')
  if (found === undefined) throw refuse.absent('Subscription')
  return found
}

/** Who has this role must be in the list. Throws Refusal 403. A resource that is not there is a 403 too. */
export function assertListed(world: World, call: Call, role: Role, resource: { readonly acl: string[] } | undefined) {
  if (!world.behaviour.perResourceAuth || !call.roles.includes(role)) return
  if (resource?.acl.includes(call.user?.uuid ?? '') !== true) throw refuse.forbidden()
}

/** Runs `parse`; anything that it throws becomes this refusal. */
export function parsed<T>(parse: () => T, refusal: () => Error): T {
  try {
    return parse()
  } catch {
    throw refusal()
  }
}

export type Handler = (world: World, call: Call) => Answer | Promise<Answer>
