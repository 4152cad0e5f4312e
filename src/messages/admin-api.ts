// /api/v1/messages: mails and text messages that wait, were sent or were given up. Never what they say.
import { z } from 'zod';
import { definedFields } from '../lib/fields.ts';
import { instant } from '../lib/instant.ts';
import { IdParams, pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { type Route, route } from '../platform/api/route.ts';
import type { Messages } from './messages.ts';
import { channels, messageStates } from './schema.ts';

const MessageQuery = z.object({
  state: z.enum(messageStates).optional(),
  channel: z.enum(channels).optional(),
  accountId: z.string().min(1).max(64).optional(),
  ...pageQuery,
});

const MessageView = z
  .object({
    id: z.string(),
    channel: z.enum(channels),
    template: z.string(),
    accountId: z.string().nullable(),
    to: z.string().describe('A mail address or a phone number.'),
    locale: z.string(),
    state: z.enum(messageStates),
    attempts: z.int(),
    lastError: z.string().nullable().describe('Why the last attempt failed, in a fixed word.'),
    createdAt: instant,
    nextAttemptAt: instant.nullable().describe('Null when it is over.'),
    expiresAt: instant.nullable().describe('After that it is not sent any more.'),
    finishedAt: instant.nullable(),
  })
  .meta({ id: 'Message' });

export function messageRoutes({ messages }: { messages: Messages }): Route[] {
  return [
    route({
      operation: 'listMessages',
      method: 'GET',
      path: '/messages',
      permission: 'messages:read',
      limit: 'admin-read',
      summary: 'Mails and text messages, to whom and how that went, the newest first; never what they say.',
      query: MessageQuery,
      reply: { 200: pageReply(MessageView) },
      run({ query }) {
        const { filter, page } = pageOfQuery(query);
        return messages.list(definedFields(filter), page);
      },
    }),
    route({
      operation: 'getMessage',
      method: 'GET',
      path: '/messages/:id',
      permission: 'messages:read',
      limit: 'admin-read',
      summary: 'One mail or text message; never what it says.',
      params: IdParams,
      reply: { 200: MessageView },
      errors: ['message_not_found'],
      run: ({ params }) => messages.find(params.id),
    }),
    route({
      operation: 'retryMessage',
      method: 'POST',
      path: '/messages/:id/retry',
      permission: 'messages:execute',
      limit: 'admin-write',
      summary: 'Send a message that waits or was given up, at once and with all attempts to go.',
      params: IdParams,
      reply: { 202: z.void() },
      errors: ['message_not_found', 'message_expired'],
      run: ({ params, caller }) => messages.retry(params.id, caller),
    }),
  ];
}
