// gatehouse signing-keys …: see, rotate and withdraw the keys that sign tokens.
import type { Command, CommandResult } from '../platform/command.ts';
import { algorithms } from './rotation.ts';
import type { SigningKeys, SigningKeyView } from './signing-keys.ts';

type Services = { signingKeys: SigningKeys };

export const commands: Command<Services>[] = [
  {
    name: 'signing-keys list',
    summary: 'Show the signing keys: what signs now, what is next, what is kept for verifiers.',
    run: async ({ services }) => shown(await services.signingKeys.list()),
  },
  {
    name: 'signing-keys rotate',
    summary: 'Let the next key sign and publish a new next one. Running servers follow within two seconds.',
    options: [
      { name: 'algorithm', value: 'name', choices: algorithms, summary: 'Only this one; all unless told.' },
      {
        name: 'force',
        summary:
          'Even if verifiers may not know the next key yet. The old key stays published: see withdraw.',
      },
    ],
    async run({ services, options, by }) {
      const algorithm = algorithms.find((name) => name === options.text('algorithm'));
      const force = options.flag('force');
      await services.signingKeys.rotate(algorithm === undefined ? { force } : { algorithm, force }, by);
      return shown(await services.signingKeys.list());
    },
  },
  {
    name: 'signing-keys withdraw',
    summary:
      'Take a key that leaked out of the published set, at once; no token that it signed is good any more.',
    arguments: [
      {
        name: 'kid',
        summary: 'Its kid, as `signing-keys list` shows it; after -- when it begins with a dash.',
      },
    ],
    options: [
      {
        name: 'rotate',
        summary: 'If it is the key that signs, let the next one sign first, however new that is.',
      },
    ],
    async run({ services, args, options, by }) {
      const input = { kid: args.text('kid'), rotate: options.flag('rotate') };
      await services.signingKeys.withdraw(input, by);
      return shown(await services.signingKeys.list());
    },
  },
];

function shown(keys: SigningKeyView[]): CommandResult {
  const date = (at: Date | null) => at?.toISOString() ?? '-';
  return {
    json: keys,
    text: {
      columns: ['state', 'algorithm', 'kid', 'created', 'signs since', 'removed after'],
      rows: keys.map((key) => [
        key.state,
        key.algorithm,
        key.kid,
        date(key.createdAt),
        date(key.activatedAt),
        date(key.removeAfter),
      ]),
      empty: 'No signing keys yet: the first start makes them.',
    },
  };
}
