// The inbox of unknown replies, and what a rule for one of them would decide.

import { z } from 'zod'

import { sayRule } from '@sluice/core/bounce/draft'
import type { ReplyGroup } from '@sluice/core/bounce/unknown'
import { blames, bounceActions, bounceClasses } from '@sluice/core/bounce/verdict'

import { proposeRule, readInbox } from '../../inbox/inbox'
import { route, type Route } from '../route'
import type { Services } from '../services'
import { nameShape, timeShape } from '../shapes'
import { momentOf, momentShape } from './outcomes'

const groupShape = z
  .object({
    id: z.string().meta({ description: 'short name of the signature' }),
    signature: z.string().meta({ description: 'the reply without what differs from message to message' }),
    count: z.int(),
    class: z.enum(bounceClasses).meta({ description: 'what the rules in force make of it' }),
    rule: z.string(),
    layer: z.string().meta({ description: 'of that rule; `none` where no rule knows it' }),
    first_at: timeShape,
    last_at: timeShape,
    providers: z.array(z.string()).meta({ description: 'the most frequent first' }),
    samples: z.array(z.object({ code: z.int(), phase: z.string(), provider: z.string(), reply: z.string() })),
  })
  .meta({ id: 'UnknownReply' })

const shown = ({ samples, providers, ...group }: ReplyGroup): z.input<typeof groupShape> => ({
  ...group,
  providers: [...providers],
  samples: samples.map(({ code, phase = '', provider, reply }) => ({ code, phase, provider, reply })),
})

const choice = z.strictObject({
  class: z.enum(bounceClasses),
  blame: z.enum(blames).optional(),
  action: z.enum(bounceActions).optional(),
  provider: nameShape.optional().meta({ description: 'the words mean this only when this provider says them' }),
  since: momentShape.default('30d').meta({ description: 'outcomes the rule is tried against' }),
})

export const inboxRoutes = ({ database, feedback, configuration, now }: Services): Route[] => [
  route({
    method: 'get',
    path: '/v1/inbox',
    scope: 'read',
    name: 'listUnknownReplies',
    says: 'Replies that no rule knows by their words, alike ones together, the most frequent first',
    query: z.strictObject({
      since: momentShape.default('7d'),
      limit: z.coerce.number().int().min(1).max(1000).default(50),
    }),
    answer: z.object({ replies: z.array(groupShape) }),
    handle: async ({ query, signal }) => {
      const { rules } = feedback.settings.current
      const groups = await readInbox(database.demand(), rules, momentOf(query.since, now()), signal)
      return { replies: groups.slice(0, query.limit).map(shown) }
    },
  }),
  route({
    method: 'post',
    path: '/v1/inbox/{id}/rule',
    scope: 'read',
    name: 'proposeRule',
    says: 'A rule for an unknown reply, and everything it would have decided; changes nothing',
    params: z.object({ id: z.string().regex(/^[0-9a-f]{10}$/, 'an id of the inbox') }),
    body: choice,
    answer: z.object({
      rule: z.looseObject({ id: z.string() }).meta({ description: 'as bounce.yaml has it' }),
      yaml: z.string(),
      caught: z.array(groupShape).meta({ description: 'with the class and rule that decide it now' }),
    }),
    handle: async ({ params: { id }, body: { since, ...wanted }, signal }) => {
      const parts = { rules: feedback.settings.current.rules, operator: configuration.current.bounce }
      const proposal = await proposeRule(database.demand(), parts, id, wanted, momentOf(since, now()), signal)
      return { rule: { ...proposal.rule }, yaml: sayRule(proposal.rule), caught: proposal.caught.map(shown) }
    },
  }),
]
