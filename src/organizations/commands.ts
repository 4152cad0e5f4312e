// gatehouse org …: organizations and their members; gatehouse user organizations. Teams are in team-commands.ts.
import { type Accounts, accountNamed } from '../accounts/accounts.ts';
import { definedFields } from '../lib/fields.ts';
import {
  type Command,
  type CommandOption,
  type CommandResult,
  confirmed,
  type Options,
  signInRules,
  signInRulesIn,
  yes,
} from '../platform/command.ts';
import { failure } from '../platform/errors.ts';
import { type Organization, type Organizations, organizationNamed } from './organizations.ts';
import { AccountOrganizationView, OrganizationView } from './schema.ts';
import { membersShown, pageOf, pageOptions } from './shown.ts';
import { teamCommands } from './team-commands.ts';

type Services = { accounts: Accounts; organizations: Organizations };

const which = { name: 'organization', summary: 'Organization id or slug.' };
const who = { name: 'account', summary: 'Account id, mail address or user name.' };
const STATUSES = ['active', 'suspended'] as const;

const settings: CommandOption[] = [
  ...signInRules,
  {
    name: 'time-zone',
    value: 'zone',
    summary: 'By which its windows of budgets begin, such as Europe/Vienna.',
  },
  {
    name: 'permission',
    value: 'permission',
    repeat: true,
    summary: 'What its own keys may have at most; those that are given replace all of them.',
  },
];

const registry: Command<Services>[] = [
  {
    name: 'org create',
    summary: 'Create an organization.',
    arguments: [
      { name: 'slug', summary: 'The word that it is called by: lower-case letters, digits, dashes.' },
    ],
    options: [{ name: 'name', value: 'name', required: true, summary: 'Its name, for people.' }, ...settings],
    async run({ services, args, options, by }) {
      const fields = { slug: args.text('slug'), name: options.required('name'), ...settingsOf(options) };
      return shown(await services.organizations.create(fields, by));
    },
  },
  {
    name: 'org list',
    summary: 'Show organizations, the newest first.',
    options: [{ name: 'status', value: 'status', summary: 'Only these.', choices: STATUSES }, ...pageOptions],
    async run({ services, options, io }) {
      const status = STATUSES.find((known) => known === options.text('status'));
      const page = await services.organizations.list({ status }, pageOf(options));
      if (page.nextCursor !== null) io.note(`More: --cursor ${page.nextCursor}`);
      return {
        json: { ...page, items: page.items.map((one) => OrganizationView.parse(one)) },
        text: {
          columns: ['id', 'slug', 'name', 'status', 'time zone'],
          rows: page.items.map(({ id, slug, name, status, timeZone }) => [id, slug, name, status, timeZone]),
          empty: 'There is no such organization.',
        },
      };
    },
  },
  {
    name: 'org show',
    summary: 'Show one organization.',
    arguments: [which],
    run: async ({ services, args }) =>
      shown(await organizationNamed(services.organizations, args.text('organization'))),
  },
  {
    name: 'org change',
    summary: 'Change what is given.',
    arguments: [which],
    options: [
      { name: 'slug', value: 'word', summary: 'The word that it is called by.' },
      { name: 'name', value: 'name', summary: 'Its name, for people.' },
      ...settings,
    ],
    async run({ services, args, options, by }) {
      const { id } = await organizationNamed(services.organizations, args.text('organization'));
      const names = definedFields({ slug: options.text('slug'), name: options.text('name') });
      return shown(await services.organizations.change(id, { ...names, ...settingsOf(options) }, by));
    },
  },
  {
    name: 'org suspend',
    summary: 'Stop its keys, and the tokens that are bound to it, at once.',
    arguments: [which],
    options: [{ name: 'reason', value: 'text', summary: 'Why, for the ledger.' }],
    async run({ services, args, options, by }) {
      const { id } = await organizationNamed(services.organizations, args.text('organization'));
      return shown(await services.organizations.suspend(id, options.text('reason') ?? null, by));
    },
  },
  {
    name: 'org reinstate',
    summary: 'Let a suspended organization work again.',
    arguments: [which],
    async run({ services, args, by }) {
      const { id } = await organizationNamed(services.organizations, args.text('organization'));
      return shown(await services.organizations.reinstate(id, by));
    },
  },
  {
    name: 'org delete',
    summary: 'Delete an organization with its memberships, teams, roles, assignments and keys.',
    arguments: [which],
    options: [yes],
    async run({ services, args, options, io, by }) {
      const { id, slug } = await organizationNamed(services.organizations, args.text('organization'));
      if (!(await confirmed({ options, io }, `Delete ${slug} and everything in it for good?`))) {
        return { json: { id, deleted: false }, text: 'Nothing was deleted.' };
      }
      await services.organizations.remove(id, by);
      return { json: { id, deleted: true }, text: `${slug} (${id}) is deleted.` };
    },
  },
];

const members: Command<Services>[] = [
  {
    name: 'org members',
    summary: 'Show who is a member of an organization.',
    arguments: [which],
    options: pageOptions,
    async run({ services, args, options, io }) {
      const { id } = await organizationNamed(services.organizations, args.text('organization'));
      return membersShown(await services.organizations.listMembers(id, pageOf(options)), io);
    },
  },
  {
    name: 'org add-member',
    summary: 'Make an account a member of an organization.',
    arguments: [which, who],
    async run({ services, args, by }) {
      const { id, slug } = await organizationNamed(services.organizations, args.text('organization'));
      const account = await accountNamed(services.accounts, args.text('account'));
      await services.organizations.addMember(id, account.id, by);
      return {
        json: { organizationId: id, accountId: account.id, member: true },
        text: `${account.email ?? account.username ?? account.id} is a member of ${slug}.`,
      };
    },
  },
  {
    name: 'org remove-member',
    summary: 'End a membership, with the places in teams and the roles there.',
    arguments: [which, who],
    async run({ services, args, by }) {
      const { id, slug } = await organizationNamed(services.organizations, args.text('organization'));
      const account = await accountNamed(services.accounts, args.text('account'));
      await services.organizations.removeMember(id, account.id, by);
      return {
        json: { organizationId: id, accountId: account.id, member: false },
        text: `${account.email ?? account.username ?? account.id} is not a member of ${slug}.`,
      };
    },
  },
  {
    name: 'user organizations',
    summary: 'Show where a person is a member, and of which teams.',
    arguments: [who],
    options: pageOptions,
    async run({ services, args, options, io }) {
      const account = await accountNamed(services.accounts, args.text('account'));
      const page = await services.organizations.organizationsOf(account.id, {}, pageOf(options));
      if (page === undefined) throw failure('account_not_found');
      if (page.nextCursor !== null) io.note(`More: --cursor ${page.nextCursor}`);
      return {
        json: { ...page, items: page.items.map((one) => AccountOrganizationView.parse(one)) },
        text: {
          columns: ['id', 'slug', 'name', 'status', 'teams'],
          rows: page.items.map(({ organizationId, slug, name, status, teams }) => [
            ...[organizationId, slug, name, status, teams.map((team) => team.name).join(', ')],
          ]),
          empty: 'A member of no organization.',
        },
      };
    },
  },
];

export const commands: Command<Services>[] = [...registry, ...members, ...teamCommands];

function settingsOf(options: Options) {
  const permissions = options.list('permission');
  return definedFields({
    timeZone: options.text('time-zone'),
    permissions: permissions.length > 0 ? permissions : undefined,
    ...signInRulesIn(options),
  });
}

function shown(organization: Organization): CommandResult {
  const { id, slug, name, status, timeZone, permissions } = organization;
  return {
    json: OrganizationView.parse(organization),
    text: [
      `id           ${id}`,
      `slug         ${slug}`,
      `name         ${name}`,
      `status       ${status}`,
      `time zone    ${timeZone}`,
      `permissions  ${permissions.join(' ') || '-'}`,
    ],
  };
}
