// gatehouse master-key …: see the master keys, make a new one, put it to use, set the old one aside.
import { type Command, confirmed, yes } from '../platform/command.ts';
import type { MasterKey, MasterKeyStatus } from './master-key.ts';

type Services = { masterKey: MasterKey };

const id = { name: 'id', summary: 'Its id, as `master-key status` shows it.' };

export const commands: Command<Services>[] = [
  {
    name: 'master-key status',
    summary: 'Show the master keys: which one is in use, how many values each wraps, which servers hold it.',
    run: async ({ services }) => shown(await services.masterKey.status()),
  },
  {
    name: 'master-key rotate',
    summary: 'Make the next master key, a file beside the others. It is not in use until it is activated.',
    async run({ services, by }) {
      const made = await services.masterKey.rotate(by);
      return {
        json: made,
        text: [
          `Made the master key ${made.id}: ${made.file}`,
          'Back it up now, and copy it to the keys directory of every server that does not share this one.',
          'Then put it to use: gatehouse master-key activate',
        ],
      };
    },
  },
  {
    name: 'master-key activate',
    summary: 'Let a master key wrap new values, and bring all others under it while the server runs.',
    arguments: [{ ...id, summary: `${id.summary} The only new one unless told.`, optional: true }],
    options: [
      { name: 'force', summary: 'Even if a running server does not hold it; that one must get it or end.' },
    ],
    async run({ services, args, options, by }) {
      const input = { id: args.optional('id'), force: options.flag('force') };
      const active = await services.masterKey.activate(input, by);
      return {
        json: { id: active },
        text: `The master key ${active} is in use. \`gatehouse master-key status\` shows how values come under it.`,
      };
    },
  },
  {
    name: 'master-key retire',
    summary: 'Set a master key aside that wraps nothing any more.',
    arguments: [id],
    options: [yes],
    async run({ services, args, options, io, by }) {
      const key = args.text('id');
      const question = `Back-ups made before today need the master key ${key}. Keep a copy for them. Set it aside?`;
      if (!(await confirmed({ options, io }, question))) return undefined;
      const { aside } = await services.masterKey.retire(key, by);
      return {
        json: { id: key, aside: aside ?? null },
        text:
          aside === undefined
            ? `The master key ${key} is retired. It is not a file here: take it out of MASTER_KEY_PREVIOUS.`
            : `The master key ${key} is retired; its file is ${aside}. Do the same on servers that have their own copy.`,
      };
    },
  },
];

function shown(status: MasterKeyStatus) {
  const date = (at: Date | null) => at?.toISOString() ?? null;
  return {
    json: status,
    text: {
      columns: ['key', 'state', 'values', 'servers', 'here', 'made', 'in use since'],
      rows: status.keys.map((key) => [
        key.id,
        key.state,
        key.values,
        `${key.nodes} of ${status.nodes.length}`,
        key.here ? 'yes' : 'no',
        date(key.createdAt),
        date(key.activatedAt),
      ]),
      empty: 'There is no master key yet: the first start makes one.',
    },
  };
}
