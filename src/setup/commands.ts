// gatehouse init: the first administrator, from the terminal of the server; with --demo, sample data beside it.
import type { Account, Accounts } from '../accounts/accounts.ts';
import {
  type Command,
  type CommandInput,
  confirmed,
  passwordStdin,
  readNewPassword,
  UsageMistake,
  yes,
} from '../platform/command.ts';
import type { Config } from '../platform/config/schema.ts';
import { failure } from '../platform/errors.ts';
import { type DemoData, type DemoDeps, demoPlaces, ensureDemo } from './demo.ts';
import type { Owner } from './owner.ts';
import type { Setup } from './setup.ts';

interface Services extends DemoDeps {
  owner: Pick<Owner, 'renewKey'>;
  config: Pick<Config, 'environment' | 'issuer'>;
  accounts: Pick<Accounts, 'hasAny' | 'create' | 'findByIdentifier'>;
  setup: Pick<Setup, 'createFirst'>;
}

export const commands: Command<Services>[] = [
  {
    name: 'init',
    summary: 'Create the first administrator. Refused when there is an account already.',
    options: [
      {
        name: 'email',
        value: 'address',
        summary: 'Mail address of the administrator; asked for when absent.',
      },
      { name: 'username', value: 'name', summary: 'User name of the administrator.' },
      { name: 'name', value: 'name', summary: 'Full name of the administrator.' },
      {
        name: 'demo',
        summary: 'Add sample data for the examples, too: APIs, clients and a person. May be repeated.',
      },
      passwordStdin,
    ],
    async run(input) {
      const { services, options, by } = input;
      const demo = options.flag('demo');
      if (demo && services.config.environment === 'production') {
        throw new UsageMistake('Sample data is for the machine of a developer; ENVIRONMENT is production.');
      }
      const isSetUp = await services.accounts.hasAny();
      // Asked again where it counts; here it spares a person from typing a password in vain.
      if (isSetUp && !demo) throw failure('already_set_up');
      const account = isSetUp ? undefined : await createAdmin(input);
      const data = demo ? await ensureDemo(services, { ...demoPlaces, renew: false }, by) : undefined;
      return {
        json: { ...shown(account), ...(data && { demo: data }) },
        text: [
          ...(account
            ? [`${account.email ?? account.username} (${account.id}) is the administrator.`]
            : ['There is an administrator already.']),
          ...(data ? demoLines(data, services.config.issuer) : []),
        ],
      };
    },
  },
  {
    name: 'owner-key renew',
    summary:
      'Make a new key for the owner of a single-user server; every key before it stops working at once.',
    options: [yes],
    async run({ services, options, io, by }) {
      if (!(await confirmed({ options, io }, 'Stop every key of the owner and make a new one?')))
        return undefined;
      const key = await services.owner.renewKey(by);
      return { json: { key }, text: ['The key of the owner, shown only now:', '', `  ${key}`] };
    },
  },
];

async function createAdmin({ services, options, io, by }: CommandInput<Services>): Promise<Account> {
  const username = options.text('username') ?? null;
  const name = options.text('name') ?? null;
  const email = options.text('email') ?? (username === null ? await io.ask('Mail address: ') : null);
  if (email?.trim() === '') throw new UsageMistake('The mail address is empty.');
  const password = await readNewPassword({ options, io });
  return services.setup.createFirst({ email, username, name, password }, by);
}

function shown(account: Account | undefined) {
  return {
    id: account?.id ?? null,
    email: account?.email ?? null,
    username: account?.username ?? null,
  };
}

function demoLines({ person, app, service, audience }: DemoData, issuer: string): string[] {
  const kept = '(as it was; shown once, when it was made)';
  return [
    '',
    'Sample data:',
    `  person            ${person.email}, password ${person.password ?? kept}`,
    `  API               ${audience}`,
    `  web client        ${app.clientId}, secret ${app.clientSecret ?? kept}`,
    `  machine client    ${service.clientId}, secret ${service.clientSecret ?? kept}`,
    '  terminal client   demo-terminal, no secret',
    '',
    `docs/examples.md says how the examples run against ${issuer}.`,
  ];
}
