/**
 * The routes, in the order in which the server tries them: the first whose path and method match. A path variable takes
 * anything but a slash, so that `POST .../topics/T:nonsense` is a wrong method of `topics/{topic}`, as it is there.
 * Not here: administration of users, projects, members, registrations and schemas.
 */
const TABLE = [
  ['ams:metrics', 'GET', '/metrics'],
  ['ams:healthStatus', 'GET', '/status'],
  ['users:byUUID', 'GET', '/users:byUUID/{uuid}'],
  ['users:profile', 'GET', '/users/profile'],
  ['users:refreshToken', 'POST', '/users/{user}:refreshToken'],
  ['projects:metrics', 'GET', '/projects/{project}:metrics'],
  ['projects:show', 'GET', '/projects/{project}'],
  ['subscriptions:list', 'GET', '/projects/{project}/subscriptions'],
  ['subscriptions:listByTopic', 'GET', '/projects/{project}/topics/{topic}/subscriptions'],
  ['subscriptions:offsets', 'GET', '/projects/{project}/subscriptions/{subscription}:offsets'],
  ['subscriptions:timeToOffset', 'GET', '/projects/{project}/subscriptions/{subscription}:timeToOffset'],
  ['subscriptions:acl', 'GET', '/projects/{project}/subscriptions/{subscription}:acl'],
  ['subscriptions:metrics', 'GET', '/projects/{project}/subscriptions/{subscription}:metrics'],
  ['subscriptions:show', 'GET', '/projects/{project}/subscriptions/{subscription}'],
  ['subscriptions:create', 'PUT', '/projects/{project}/subscriptions/{subscription}'],
  ['subscriptions:delete', 'DELETE', '/projects/{project}/subscriptions/{subscription}'],
  ['subscriptions:pull', 'POST', '/projects/{project}/subscriptions/{subscription}:pull'],
  ['subscriptions:acknowledge', 'POST', '/projects/{project}/subscriptions/{subscription}:acknowledge'],
  ['subscriptions:verifyPushEndpoint', 'POST', '/projects/{project}/subscriptions/{subscription}:verifyPushEndpoint'],
  ['subscriptions:modifyAckDeadline', 'POST', '/projects/{project}/subscriptions/{subscription}:modifyAckDeadline'],
  ['subscriptions:modifyPushConfig', 'POST', '/projects/{project}/subscriptions/{subscription}:modifyPushConfig'],
  ['subscriptions:modifyOffset', 'POST', '/projects/{project}/subscriptions/{subscription}:modifyOffset'],
  ['subscriptions:modifyAcl', 'POST', '/projects/{project}/subscriptions/{subscription}:modifyAcl'],
  ['topics:list', 'GET', '/projects/{project}/topics'],
  ['topics:acl', 'GET', '/projects/{project}/topics/{topic}:acl'],
  ['topics:metrics', 'GET', '/projects/{project}/topics/{topic}:metrics'],
  ['topics:show', 'GET', '/projects/{project}/topics/{topic}'],
  ['topics:create', 'PUT', '/projects/{project}/topics/{topic}'],
  ['topics:delete', 'DELETE', '/projects/{project}/topics/{topic}'],
  ['topics:publish', 'POST', '/projects/{project}/topics/{topic}:publish'],
  ['topics:modifyAcl', 'POST', '/projects/{project}/topics/{topic}:modifyAcl'],
  ['version:list', 'GET', '/version'],
] as const

export type RouteName = (typeof TABLE)[number][0]

export interface Route {
  readonly name: RouteName
  readonly params: Readonly<Record<string, string>>
}

const ROUTES = TABLE.map(([name, method, path]) => ({
  name,
  method,
  pattern: new RegExp(`^/v1${path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
}))

export const routeNames: readonly RouteName[] = TABLE.map(([name]) => name)

/** `path` without the query, decoded. */
export function matchRoute(method: string, path: string): Route | 'not found' | 'wrong method' {
  let found: 'not found' | 'wrong method' = 'not found'
  for (const route of ROUTES) {
    const match = route.pattern.exec(path)
    if (match === null) continue
    if (route.method === method) return { name: route.name, params: { ...match.groups } }
    found = 'wrong method'
  }
  return found
}

/** What each role may do when nothing else is said. In a real server this is data of the operator. */
export const DEFAULT_ROLES: Readonly<Record<string, readonly (RouteName | '*')[]>> = {
  service_admin: ['*'],
  project_admin: ['*'],
  publisher: ['topics:publish', 'topics:show', 'topics:list', 'topics:metrics', 'projects:show'],
  consumer: [
    'subscriptions:pull',
    'subscriptions:acknowledge',
    'subscriptions:show',
    'subscriptions:list',
    'subscriptions:offsets',
    'subscriptions:modifyOffset',
    'subscriptions:timeToOffset',
    'subscriptions:modifyAckDeadline',
    'subscriptions:metrics',
    'projects:show',
  ],
  /** A consumer whose operator lets him do no more than he must. */
  puller: ['subscriptions:pull', 'subscriptions:acknowledge'],
  push_worker: ['subscriptions:pull', 'subscriptions:acknowledge', 'subscriptions:show'],
}
