/** Topics: show, list, create, delete, and which subscriptions they have. */
import { ok, okText, refuse, type Answer } from './answers.js'
import { own, parsed, topicOf, type Call } from './call.js'
import { decodeObject, encode } from './go-json.js'
import { pageOf } from './listing.js'
import { addTopic, secondsText, type Topic, type World } from './world.js'

const shown = (call: Call, topic: Topic) => ({
  name: `/projects/${call.project.name}/topics/${topic.name}`,
  created_on: secondsText(topic.createdOn),
})

export const showTopic = (_: World, call: Call): Answer => ok(shown(call, topicOf(call)))

export function listTopics(_: World, call: Call): Answer {
  const { items, ...page } = pageOf(call, Object.values(call.project.topics), 'publisher')
  return ok({ topics: items.map((topic) => shown(call, topic)), ...page })
}

export function createTopic(world: World, call: Call): Answer {
  if (call.body !== '') {
    const schema = parsed(() => decodeObject(call.body).text('schema'), refuse.invalidBody)
    if (schema !== '' && !/^projects\/[^/]*\/schemas\/[^/]*$/u.test(schema)) {
      throw refuse.invalidData('wrong schema name declaration')
    }
    // There are no schemas here.
    if (schema !== '') throw refuse.absent('Schema')
  }
  const name = call.route.params.topic ?? ''
  if (own(call.project.topics, name) !== undefined) throw refuse.exists('Topic')
  return ok(shown(call, addTopic(world, call.project, name)))
}

/** Its subscriptions stay, and are of no use until there is a topic of this name again. */
export function deleteTopic(_: World, call: Call): Answer {
  const { name } = topicOf(call)
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a table of what is there now
  delete call.project.topics[name]
  return okText('')
}

export function listByTopic(_: World, call: Call): Answer {
  const topic = topicOf(call)
  const names = Object.values(call.project.subscriptions)
    .filter((subscription) => subscription.topic === topic.name)
    .map(({ name }) => `/projects/${call.project.name}/subscriptions/${name}`)
  return okText(encode({ subscriptions: names }, 0))
}
