// gatehouse user …: list, suspend, reinstate and delete people. What needs a password is in credentials/commands.ts.
import { definedFields } from '../lib/fields.ts';
import { type Command, confirmed, type Options, UsageMistake, yes } from '../platform/command.ts';
import { type Accounts, accountNamed } from './accounts.ts';
import { type Account, type AccountChange, AccountView } from './schema.ts';

type Services = { accounts: Accounts };

const DEFAULT_LIMIT = 50;
const MAXIMUM_LIMIT = 500;
const STATUSES = ['active', 'suspended'] as const;
const YES_NO = ['yes', 'no'] as const;

const who = { name: 'account', summary: 'Account id, mail address or user name.' };

export const commands: Command<Services>[] = [
  {
    name: 'user list',
    summary: 'Show accounts, the newest first.',
    options: [
      { name: 'status', value: 'status', summary: 'Only these.', choices: STATUSES },
      { name: 'search', value: 'text', summary: 'The beginning of a mail address, user name or name.' },
      {
        name: 'limit',
        value: 'number',
        summary: `How many, ${DEFAULT_LIMIT} unless told, at most ${MAXIMUM_LIMIT}.`,
      },
      { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
    ],
    async run({ services, options, io }) {
      const status = STATUSES.find((known) => known === options.text('status'));
      const limit = Math.min(Math.max(options.number('limit') ?? DEFAULT_LIMIT, 1), MAXIMUM_LIMIT);
      const page = await services.accounts.list(
        { status, search: options.text('search') },
        { limit, cursor: options.text('cursor') ?? null },
      );
      if (page.nextCursor !== null) io.note(`More: --cursor ${page.nextCursor}`);
      return {
        json: { items: page.items.map((account) => AccountView.parse(account)), nextCursor: page.nextCursor },
        text: {
          columns: ['id', 'mail address', 'user name', 'name', 'status', 'admin'],
          rows: page.items.map(rowOf),
          empty: 'There is no such account.',
        },
      };
    },
  },
  {
    name: 'user change',
    summary: "Change what is given; '' empties a field.",
    arguments: [who],
    options: [
      { name: 'email', value: 'address', summary: 'Mail address to sign in by.' },
      {
        name: 'email-verified',
        value: 'answer',
        summary: 'Whether it is known to be theirs.',
        choices: YES_NO,
      },
      { name: 'username', value: 'name', summary: 'User name to sign in by.' },
      { name: 'name', value: 'name', summary: 'Full name.' },
      { name: 'given-name', value: 'name', summary: 'Given name.' },
      { name: 'family-name', value: 'name', summary: 'Family name.' },
      { name: 'picture', value: 'uri', summary: 'Where a picture of them is.' },
      { name: 'locale', value: 'tag', summary: 'Their language, such as de-AT.' },
      { name: 'zoneinfo', value: 'zone', summary: 'Their time zone, such as Europe/Vienna.' },
      {
        name: 'field',
        value: 'name=value',
        repeat: true,
        summary: 'A further field of the profile, such as nickname=Ada; nothing after = empties it.',
      },
      { name: 'admin', value: 'answer', summary: 'Whether they are an administrator.', choices: YES_NO },
    ],
    async run({ services, args, options, by }) {
      const { id } = await accountNamed(services.accounts, args.text('account'));
      const account = await services.accounts.change(id, changeOf(options), by);
      return { json: AccountView.parse(account), text: `${nameOf(account)} (${account.id}) is changed.` };
    },
  },
  {
    name: 'user suspend',
    summary: 'Keep a person from signing in; ends their sessions, grants and tokens at once.',
    arguments: [who],
    options: [{ name: 'reason', value: 'text', summary: 'Why, for the ledger.' }],
    async run({ services, args, options, by }) {
      const account = await accountNamed(services.accounts, args.text('account'));
      await services.accounts.suspend(account.id, options.text('reason') ?? null, by);
      return said(account, 'suspended', 'is suspended.');
    },
  },
  {
    name: 'user reinstate',
    summary: 'Let a suspended person sign in again.',
    arguments: [who],
    async run({ services, args, by }) {
      const account = await accountNamed(services.accounts, args.text('account'));
      await services.accounts.reinstate(account.id, by);
      return said(account, 'active', 'may sign in again.');
    },
  },
  {
    name: 'user delete',
    summary: 'Delete a person and all their personal fields; the ledger keeps only the id.',
    arguments: [who],
    options: [yes],
    async run({ services, args, options, io, by }) {
      const account = await accountNamed(services.accounts, args.text('account'));
      if (!(await confirmed({ options, io }, `Delete ${nameOf(account)} for good?`))) {
        return { json: { id: account.id, status: account.status }, text: 'Nothing was deleted.' };
      }
      await services.accounts.remove(account.id, by);
      return said(account, 'deleted', 'is deleted.');
    },
  },
];

function changeOf(options: Options): AccountChange {
  const text = (name: string) => (options.text(name) === '' ? null : options.text(name));
  const answer = (name: string) => {
    const given = options.text(name);
    return given === undefined ? undefined : given === 'yes';
  };
  return definedFields({
    email: text('email'),
    emailVerified: answer('email-verified'),
    username: text('username'),
    name: text('name'),
    givenName: text('given-name'),
    familyName: text('family-name'),
    picture: text('picture'),
    locale: text('locale'),
    zoneinfo: text('zoneinfo'),
    profile: profileOf(options.list('field')),
    admin: answer('admin'),
  });
}

function profileOf(given: readonly string[]): Record<string, string | null> | undefined {
  if (given.length === 0) return undefined;
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new UsageMistake(`--field ${text}: write name=value.`);
      return [text.slice(0, at), text.slice(at + 1) || null];
    }),
  );
}

function said(account: Account, status: string, sentence: string) {
  return { json: { id: account.id, status }, text: `${nameOf(account)} (${account.id}) ${sentence}` };
}

function nameOf(account: Account): string {
  return account.email ?? account.username ?? account.id;
}

function rowOf(account: Account) {
  return [account.id, account.email, account.username, account.name, account.status, account.admin];
}
