// The page of a list, the same for every list of the API: what is asked for in the query, and what is answered.
import { z } from 'zod';
import type { PageRequest } from '../../lib/page.ts';

/** To be spread into the query of a list, beside its filters. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(100).default(50).describe('How many items a page holds.'),
  cursor: z.string().min(1).max(2048).optional().describe('The nextCursor of the page before.'),
};

/** The query of a list: its filters, and which page of what they leave. */
export function pageOfQuery<Query extends { limit: number; cursor?: string | undefined }>({
  limit,
  cursor,
  ...filter
}: Query): { filter: Omit<Query, 'limit' | 'cursor'>; page: PageRequest } {
  return { filter, page: { limit, cursor: cursor ?? null } };
}

export function pageReply<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    nextCursor: z.string().nullable().describe('For the next page; null on the last one.'),
  });
}

/** An id in an address. Any text: one that no thing has, whatever its form, is answered with 404. */
export const IdParams = z.object({ id: z.string() });
