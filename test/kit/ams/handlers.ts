/** Which handler each route has. */
import type { Call, Handler } from './call.js'
import { own, subscriptionOf, topicOf } from './call.js'
import { modifyAcl, showAcl } from './listing.js'
import { acknowledge, publish, pull } from './messages.js'
import { verifyPushEndpoint } from './push.js'
import type { RouteName } from './routes.js'
import * as about from './status.js'
import * as subscriptions from './subscriptions.js'
import * as topics from './topics.js'
import type { World } from './world.js'

export const HANDLERS: Readonly<Record<RouteName, Handler>> = {
  'ams:metrics': about.nodeMetrics,
  'ams:healthStatus': about.status,
  'users:byUUID': about.userByUuid,
  'users:profile': about.profile,
  'users:refreshToken': about.refreshToken,
  'projects:metrics': about.projectMetrics,
  'projects:show': about.showProject,
  'subscriptions:list': subscriptions.listSubscriptions,
  'subscriptions:listByTopic': topics.listByTopic,
  'subscriptions:offsets': subscriptions.showOffsets,
  'subscriptions:timeToOffset': subscriptions.timeToOffset,
  'subscriptions:acl': (world: World, call: Call) => showAcl(world, subscriptionOf(call)),
  'subscriptions:metrics': about.subscriptionMetrics,
  'subscriptions:show': subscriptions.showSubscription,
  'subscriptions:create': subscriptions.createSubscription,
  'subscriptions:delete': subscriptions.deleteSubscription,
  'subscriptions:pull': pull,
  'subscriptions:acknowledge': acknowledge,
  'subscriptions:verifyPushEndpoint': verifyPushEndpoint,
  'subscriptions:modifyAckDeadline': subscriptions.modifyAckDeadline,
  'subscriptions:modifyPushConfig': subscriptions.modifyPushConfig,
  'subscriptions:modifyOffset': subscriptions.modifyOffset,
  'subscriptions:modifyAcl': (world, call) =>
    modifyAcl(world, call, 'Subscription', own(call.project.subscriptions, call.route.params.subscription ?? '')),
  'topics:list': topics.listTopics,
  'topics:acl': (world, call) => showAcl(world, topicOf(call)),
  'topics:metrics': about.topicMetrics,
  'topics:show': topics.showTopic,
  'topics:create': topics.createTopic,
  'topics:delete': topics.deleteTopic,
  'topics:publish': publish,
  'topics:modifyAcl': (world, call) =>
    modifyAcl(world, call, 'Topic', own(call.project.topics, call.route.params.topic ?? '')),
  'version:list': about.version,
}
