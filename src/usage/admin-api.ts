// /api/v1/usage: who used how much, by hour or day, as pages or as one table.
import { z } from 'zod';
import { pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { csvReply } from '../platform/api/reply.ts';
import { type Caller, type Route, route } from '../platform/api/route.ts';
import { UsageRowView, usageKinds, usageSubjects } from './schema.ts';
import type { Usage, UsageFilter } from './usage.ts';

const time = z.iso.datetime({ offset: true }).pipe(z.coerce.date());
const filters = {
  subjectKind: z.enum(usageSubjects).optional(),
  subjectId: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe('The id of a key, client or account, or the jti of a token.'),
  organizationId: z.string().min(1).max(64).optional().describe('Only what was used in this organization.'),
  kind: z.enum(usageKinds).optional(),
  meter: z.string().min(1).max(64).optional().describe('`requests` counts the calls themselves.'),
  from: time.optional().describe('From this time on: the hour that it lies in.'),
  to: time.optional().describe('Before this time.'),
  groupBy: z.enum(['hour', 'day']).default('hour').describe('Days begin at midnight in UTC.'),
};

export function usageRoutes({ usage }: { usage: Usage }): Route[] {
  return [
    route({
      operation: 'listUsage',
      method: 'GET',
      path: '/usage',
      permission: 'usage:read',
      limit: 'admin-read',
      summary: 'How much keys, clients, accounts and limited tokens were used, the newest first.',
      tenancy: 'organization',
      query: z.object({ ...filters, ...pageQuery }),
      reply: { 200: pageReply(UsageRowView) },
      run({ query, caller }) {
        const { filter, page } = pageOfQuery(query);
        return usage.report(filterOf(filter, caller), page);
      },
    }),
    route({
      operation: 'exportUsage',
      method: 'GET',
      path: '/usage/csv',
      permission: 'usage:read',
      limit: 'admin-read',
      summary: 'The same as one table, line by line.',
      tenancy: 'organization',
      csv: true,
      query: z.object(filters),
      reply: { 200: csvReply },
      run: ({ query, caller }) => usage.csv(filterOf(query, caller)),
    }),
  ];
}

type Query = Omit<UsageFilter, 'subjectIds'> & { subjectId?: string | undefined };

function filterOf({ subjectId, ...filter }: Query, { organizationId }: Caller): UsageFilter {
  return {
    ...filter,
    ...(subjectId === undefined ? {} : { subjectIds: [subjectId] }),
    organizationId: organizationId ?? filter.organizationId,
  };
}
