// gatehouse user …: create and show people, set passwords, release lockouts.
import { type Account, type Accounts, accountNamed } from '../accounts/accounts.ts';
import { AccountView } from '../accounts/schema.ts';
import type { Lockout } from '../lockout/lockout.ts';
import {
  type Command,
  type CommandInput,
  type CommandResult,
  passwordStdin,
  readNewPassword,
  UsageMistake,
} from '../platform/command.ts';
import type { Postgres } from '../platform/database/postgres.ts';
import type { Credentials } from './credentials.ts';
import { factorCommands } from './factor-commands.ts';
import { lockedUntilOf, passwordStateOf, releaseAccount } from './sign-in-state.ts';

interface Services {
  postgres: Pick<Postgres, 'transaction'>;
  accounts: Accounts;
  credentials: Credentials;
  lockout: Lockout;
}

const who = { name: 'account', summary: 'Account id, mail address or user name.' };
const withoutPassword = {
  name: 'without-password',
  summary: 'Set none: the person cannot sign in by password until one is set.',
};
const keepSessions = {
  name: 'keep-sessions',
  summary: 'Leave what is signed in, sessions and tokens, as it is.',
};

export const commands: Command<Services>[] = [
  ...factorCommands,
  {
    name: 'user create',
    summary: 'Create an account; asks for a password without echo.',
    options: [
      { name: 'email', value: 'address', summary: 'Mail address to sign in by.' },
      { name: 'email-verified', summary: 'The address is known to be theirs.' },
      { name: 'username', value: 'name', summary: 'User name to sign in by.' },
      { name: 'name', value: 'name', summary: 'Full name.' },
      { name: 'admin', summary: 'Make them an administrator.' },
      passwordStdin,
      withoutPassword,
    ],
    run: createUser,
  },
  {
    name: 'user show',
    summary: 'Show an account, its password and what stands against its sign-in.',
    arguments: [who],
    run: showUser,
  },
  {
    name: 'user set-password',
    summary:
      'Set a new password, which signs the person out everywhere; also enables one that failed too often.',
    arguments: [who],
    options: [passwordStdin, keepSessions],
    async run({ services, args, options, io, by }) {
      const account = await accountNamed(services.accounts, args.text('account'));
      const password = await readNewPassword({ options, io });
      await services.credentials.setPassword(account.id, password, by, undefined, {
        keepSessions: options.flag(keepSessions.name),
      });
      return { json: { id: account.id }, text: `${nameOf(account)} (${account.id}) has a new password.` };
    },
  },
  {
    name: 'user require-password-change',
    summary: 'Have a new password chosen at the next sign-in; signs the person out everywhere.',
    arguments: [who],
    options: [keepSessions],
    async run({ services, args, options, by }) {
      const account = await accountNamed(services.accounts, args.text('account'));
      const required = await services.credentials.passwords.requireChange(account.id, 'admin', by, {
        keepSessions: options.flag(keepSessions.name),
      });
      const sentence = required ? 'has to choose a new password.' : 'has no password.';
      return { json: { id: account.id, required }, text: `${nameOf(account)} ${sentence}` };
    },
  },
  {
    name: 'user release',
    summary: 'End the waiting time after failed sign-ins, of an account, or of an address.',
    arguments: [{ name: 'account', summary: who.summary, optional: true }],
    options: [{ name: 'address', value: 'address', summary: 'Release this address instead.' }],
    run: release,
  },
];

async function createUser({ services, options, io, by }: CommandInput<Services>): Promise<CommandResult> {
  const email = options.text('email') ?? null;
  const username = options.text('username') ?? null;
  if (email === null && username === null) throw new UsageMistake('Give --email or --username, or both.');
  const password = options.flag(withoutPassword.name) ? undefined : await readNewPassword({ options, io });
  const account = await services.postgres.transaction(async (trx) => {
    const created = await services.accounts.create(
      {
        email,
        emailVerified: options.flag('email-verified'),
        username,
        name: options.text('name') ?? null,
        admin: options.flag('admin'),
      },
      by,
      trx,
    );
    if (password !== undefined) await services.credentials.setPassword(created.id, password, by, trx);
    return created;
  });
  return { json: AccountView.parse(account), text: account.id };
}

async function showUser({ services, args }: CommandInput<Services>): Promise<CommandResult> {
  const account = await accountNamed(services.accounts, args.text('account'));
  const password = await passwordStateOf(services, account);
  const lockedUntil = (await lockedUntilOf(services, account))?.toISOString() ?? null;
  const { profile, ...shown } = AccountView.parse(account);
  const view = { ...shown, password, lockedUntil };
  return {
    json: { ...view, profile },
    text: {
      columns: ['field', 'value'],
      rows: Object.entries({ ...view, ...profile }).map(([field, value]) => [field, value]),
      empty: '',
    },
  };
}

async function release({ services, args, options, by }: CommandInput<Services>): Promise<CommandResult> {
  const named = args.optional('account');
  const address = options.text('address');
  if ((named === undefined) === (address === undefined)) {
    throw new UsageMistake('Name an account, or give --address.');
  }
  if (address !== undefined) {
    const released = await services.lockout.releaseAddress(address, by);
    return { json: { address, released }, text: `${address} ${sentenceOf(released)}` };
  }
  const account = await accountNamed(services.accounts, named ?? '');
  const released = await releaseAccount(services, account, by);
  return { json: { id: account.id, released }, text: `${nameOf(account)} ${sentenceOf(released)}` };
}

function sentenceOf(released: boolean): string {
  return released ? 'may try again at once.' : 'was not waiting; the failures counted so far are cleared.';
}

function nameOf(account: Account): string {
  return account.email ?? account.username ?? account.id;
}
