// Factors as the management API shows them, to their owner and to administrators: never what they prove with.
import { z } from 'zod';
import { instant } from '../lib/instant.ts';
import { shortenedMail, shortenedPhone } from '../lib/people/phone.ts';
import { type Factor, factorKinds } from './schema.ts';

export const FactorView = z
  .object({
    id: z.string(),
    kind: z.enum(factorKinds),
    name: z.string(),
    to: z.string().nullable().describe('Where its codes are sent, shortened.'),
    backedUp: z.boolean().nullable().describe('Of a passkey: whether there are copies of it elsewhere.'),
    createdAt: instant,
    lastUsedAt: instant.nullable(),
    disabledAt: instant.nullable().describe('It failed too often in a row and works no more.'),
  })
  .meta({ id: 'Factor' });
export type FactorView = z.input<typeof FactorView>;

export const FactorsView = z.object({
  items: z.array(FactorView),
  nextCursor: z.null(),
  recoveryCodesLeft: z.int(),
});

export function factorView({ details, ...factor }: Factor): FactorView {
  const to = typeof details.to === 'string' ? details.to : undefined;
  const shorten = factor.kind === 'sms' ? shortenedPhone : shortenedMail;
  return {
    ...factor,
    to: to === undefined ? null : shorten(to),
    backedUp: typeof details.backedUp === 'boolean' ? details.backedUp : null,
  };
}
