// The shapes of usage: what is counted, by what it is reported, and the rows of a report.
import { z } from 'zod';
import { instant } from '../lib/instant.ts';

export const usageSubjects = ['api-key', 'client', 'token', 'account'] as const;
export type UsageSubject = (typeof usageSubjects)[number];

/** How it came to be used: a verify of a gateway, a token that was issued, a question of a proxy. */
export const usageKinds = ['verify', 'token', 'forward-auth'] as const;
export type UsageKind = (typeof usageKinds)[number];

/** Who used it; each that is named gets a count of its own. */
export interface Used {
  readonly apiKeyId?: string | null;
  readonly clientId?: string | null;
  /** Only of tokens that have a budget: each token is a row an hour. */
  readonly tokenId?: string | null;
  readonly accountId?: string | null;
  readonly organizationId?: string | null;
}

export interface UsageFilter {
  readonly subjectKind?: UsageSubject | undefined;
  readonly subjectIds?: readonly string[] | undefined;
  readonly organizationId?: string | undefined;
  readonly kind?: UsageKind | undefined;
  readonly meter?: string | undefined;
  /** From this instant on: the hour that it lies in. */
  readonly from?: Date | undefined;
  /** Before this instant. */
  readonly to?: Date | undefined;
  /** Days begin at midnight in UTC. */
  readonly groupBy?: 'hour' | 'day' | undefined;
}

export interface UsageRow {
  readonly period: Date;
  readonly subjectKind: UsageSubject;
  readonly subjectId: string;
  readonly organizationId: string | null;
  readonly kind: UsageKind;
  /** `requests` counts the calls themselves. */
  readonly meter: string;
  readonly amount: bigint;
}

export const UsageRowView = z
  .object({
    period: instant.describe('Where the hour or day begins.'),
    subjectKind: z.enum(usageSubjects),
    subjectId: z.string(),
    organizationId: z.string().nullable(),
    kind: z.enum(usageKinds),
    meter: z.string(),
    amount: z.bigint().transform(Number).pipe(z.int()),
  })
  .meta({ id: 'UsageRow' });
