// Shapes that several routes share. Descriptions go into the OpenAPI document.

import { z } from 'zod'

import { outcomeFields, type OutcomeField } from '@sluice/core/outcome/record'
import { factorsSchema, overrideSchema, suspensionSchema } from '@sluice/core/routing/table'

export const nameShape = z.string().min(1).max(128)
export const timeShape = z.int().nonnegative().meta({ description: 'ms since 1970' })

export const overrideShape = overrideSchema.meta({ id: 'Override' })
export const suspensionShape = suspensionSchema.meta({ id: 'Suspension' })
export const factorsShape = factorsSchema.meta({ id: 'Factors' })

const longestTermS = 366 * 86_400

/** Who makes a change, why, and for how long. */
export const changeFields = {
  author: z.string().trim().min(1).max(128).meta({ description: 'who makes this change' }),
  reason: z.string().trim().min(1).max(1024).meta({ description: 'why, for those who read the audit' }),
}
export const termFields = {
  ...changeFields,
  expires_in_s: z
    .number()
    .positive()
    .max(longestTermS)
    .optional()
    .meta({ description: 'seconds from now after which it lapses by itself' }),
  until: z
    .union([z.int().positive(), z.iso.datetime({ offset: true })], { error: 'ms since 1970, or ISO 8601 with offset' })
    .optional()
    .meta({ description: 'when it lapses by itself: ms since 1970, or ISO 8601; not together with expires_in_s' }),
}

interface Term {
  readonly expires_in_s?: number | undefined
  readonly until?: number | string | undefined
}

/** The end of a term in ms since 1970; undefined where it has none. */
export const endOf = ({ expires_in_s, until }: Term, now: number): number | undefined => {
  if (expires_in_s !== undefined) return Math.round(now + expires_in_s * 1000)
  if (until === undefined) return undefined
  return typeof until === 'number' ? until : Date.parse(until)
}

export const oneEnd = ({ expires_in_s, until }: Term): boolean => expires_in_s === undefined || until === undefined

/** An outcome as it is in the database: every field of the record, empty where unknown. */
export const outcomeShape = z
  .object(
    Object.fromEntries(
      Object.entries(outcomeFields).map(([name, { type, says }]) => [name, numeric(type).meta({ description: says })]),
    ) as Record<OutcomeField, z.ZodType>,
  )
  .meta({ id: 'Outcome' })

/** Enumerations are shown as text: a database may hold what an older version wrote. */
function numeric(type: z.ZodType): z.ZodType {
  return type instanceof z.ZodNumber ? z.number() : z.string()
}
