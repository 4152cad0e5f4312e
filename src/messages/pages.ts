// The outbox of a machine of a developer: what was mailed, to look at. There where messages are files, for nobody else.
import { z } from 'zod';
import { addressRanges } from '../lib/ip.ts';
import { isLoopbackHost } from '../lib/url.ts';
import { failure } from '../platform/errors.ts';
import { type Page, type PageInput, page } from '../platform/http/page.ts';
import type { Site } from '../platform/http/site.ts';
import { currentOrigin } from '../platform/origin.ts';
import type { Messages } from './messages.ts';

const Params = z.object({ id: z.string().max(64) });
const LOOPBACK = addressRanges(['127.0.0.0/8', '::1/128']);

/** No script, nothing from elsewhere, an origin of its own: what a mail program would make of it, or less. */
const MAIL_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";

export function outboxPages({ messages, site }: { messages: Pick<Messages, 'folder'>; site: Site }): Page[] {
  const { folder } = messages;
  if (folder === undefined || !isLoopbackHost(new URL(site.origin).hostname)) return [];

  const found = async (input: PageInput<{ id: string }, unknown, unknown>) => {
    refuseOthers(input, site);
    const message = await folder.find(input.params.id);
    if (message === undefined) throw failure('not_found');
    return message;
  };

  return [
    page({
      method: 'GET',
      path: '/dev/outbox',
      limit: 'page',
      async run(input) {
        refuseOthers(input, site);
        const model = { messages: await folder.list(), path: folder.path };
        return { kind: 'view', view: 'dev/outbox', title: 'dev.outbox.title', model };
      },
    }),
    page({
      method: 'GET',
      path: '/dev/outbox/:id',
      limit: 'page',
      params: Params,
      async run(input) {
        const message = await found(input);
        return { kind: 'view', view: 'dev/message', title: 'dev.outbox.title', model: { message } };
      },
    }),
    page({
      method: 'GET',
      path: '/dev/outbox/:id/html',
      limit: 'page',
      params: Params,
      async run(input) {
        const { html } = await found(input);
        if (html === null) throw failure('not_found');
        const headers = { 'Content-Security-Policy': MAIL_POLICY };
        return {
          kind: 'view',
          view: 'dev/html',
          bare: true,
          title: 'dev.outbox.title',
          model: { html },
          headers,
        };
      },
    }),
  ];
}

/**
 * Links and codes of everybody are in there. The name that was asked for keeps out a page elsewhere that has its own name
 * point to this machine, and whoever comes through a tunnel.
 */
function refuseOthers({ ctx }: Pick<PageInput<unknown, unknown, unknown>, 'ctx'>, site: Site): void {
  const { address } = currentOrigin();
  if (address === null || !LOOPBACK.includes(address) || ctx.req.headers.host !== site.host)
    throw failure('not_found');
}
