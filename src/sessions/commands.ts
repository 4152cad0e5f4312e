// gatehouse session: who is signed in, and the end of it.
import { type Command, confirmed, UsageMistake, yes } from '../platform/command.ts';
import type { Sessions } from './sessions.ts';

const LIST_DEFAULT = 50;

export const commands: Command<{ sessions: Sessions }>[] = [
  {
    name: 'session list',
    summary: 'Show signed-in browsers with address, device and last activity.',
    options: [
      { name: 'account', value: 'id', summary: 'Only those of this account.' },
      { name: 'limit', value: 'number', summary: `How many, ${LIST_DEFAULT} unless told.` },
      { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
    ],
    async run({ services, options }) {
      const accountId = options.text('account');
      const page = await services.sessions.list(accountId === undefined ? {} : { accountId }, {
        limit: options.number('limit') ?? LIST_DEFAULT,
        cursor: options.text('cursor') ?? null,
      });
      return {
        json: page,
        text: {
          columns: ['id', 'account', 'last seen', 'address', 'device'],
          rows: page.items.map((session) => [
            session.id,
            session.accountId,
            session.seenAt.toISOString(),
            session.address,
            session.userAgent?.slice(0, 60),
          ]),
          empty: 'Nobody is signed in.',
        },
      };
    },
  },
  {
    name: 'session end',
    summary:
      'Sign a browser out, or with --account all browsers of an account; apps that asked for it are told.',
    arguments: [{ name: 'id', summary: 'The session, as the list shows it.', optional: true }],
    options: [{ name: 'account', value: 'id', summary: 'End every session of this account.' }, yes],
    async run({ services, args, options, io, by }) {
      const id = args.optional('id');
      const accountId = options.text('account');
      if ((id === undefined) === (accountId === undefined)) {
        throw new UsageMistake('Name one session, or an account with --account.');
      }
      if (id !== undefined) {
        await services.sessions.end(id, by);
        return { json: { ended: 1 }, text: 'The session has ended.' };
      }
      if (!(await confirmed({ options, io }, 'End every session of this account?'))) return undefined;
      const ended = await services.sessions.endAll(accountId ?? '', by);
      return { json: { ended }, text: `${ended} sessions have ended.` };
    },
  },
];
