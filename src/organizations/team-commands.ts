// gatehouse team …: the teams of an organization, and who is in them.
import { type Accounts, accountNamed } from '../accounts/accounts.ts';
import { definedFields } from '../lib/fields.ts';
import { type Arguments, type Command, type CommandResult, confirmed, yes } from '../platform/command.ts';
import { failure } from '../platform/errors.ts';
import { type Organizations, organizationNamed, type Team } from './organizations.ts';
import { TeamView } from './schema.ts';
import { membersShown, pageOf, pageOptions } from './shown.ts';

type Services = { accounts: Accounts; organizations: Organizations };

const organization = { name: 'organization', summary: 'Organization id or slug.' };
const team = { name: 'team', summary: 'Team id, or its name in the organization.' };
const who = { name: 'account', summary: 'Account id, mail address or user name.' };

export const teamCommands: Command<Services>[] = [
  {
    name: 'team create',
    summary: 'Create a team in an organization.',
    arguments: [organization, { name: 'name', summary: 'Its name; no other team there has it.' }],
    async run({ services, args, by }) {
      const { id } = await organizationNamed(services.organizations, args.text('organization'));
      return shown(await services.organizations.createTeam(id, { name: args.text('name') }, by));
    },
  },
  {
    name: 'team list',
    summary: 'Show the teams of an organization.',
    arguments: [organization],
    options: pageOptions,
    async run({ services, args, options, io }) {
      const { id } = await organizationNamed(services.organizations, args.text('organization'));
      const page = await services.organizations.listTeams(id, pageOf(options));
      if (page.nextCursor !== null) io.note(`More: --cursor ${page.nextCursor}`);
      return {
        json: { ...page, items: page.items.map((one) => TeamView.parse(one)) },
        text: {
          columns: ['id', 'name'],
          rows: page.items.map((one) => [one.id, one.name]),
          empty: 'No teams.',
        },
      };
    },
  },
  {
    name: 'team show',
    summary: 'Show one team.',
    arguments: [organization, team],
    run: async ({ services, args }) => shown(await found(services.organizations, args)),
  },
  {
    name: 'team change',
    summary: 'Rename a team.',
    arguments: [organization, team],
    options: [{ name: 'name', value: 'name', summary: 'Its new name.' }],
    async run({ services, args, options, by }) {
      const { organizationId, id } = await found(services.organizations, args);
      const change = definedFields({ name: options.text('name') });
      return shown(await services.organizations.changeTeam(organizationId, id, change, by));
    },
  },
  {
    name: 'team delete',
    summary: 'Delete a team; whoever was in it loses its roles.',
    arguments: [organization, team],
    options: [yes],
    async run({ services, args, options, io, by }) {
      const { organizationId, id, name } = await found(services.organizations, args);
      if (!(await confirmed({ options, io }, `Delete the team ${name}?`))) {
        return { json: { id, deleted: false }, text: 'Nothing was deleted.' };
      }
      await services.organizations.removeTeam(organizationId, id, by);
      return { json: { id, deleted: true }, text: `${name} (${id}) is deleted.` };
    },
  },
  {
    name: 'team members',
    summary: 'Show who is in a team.',
    arguments: [organization, team],
    options: pageOptions,
    async run({ services, args, options, io }) {
      const { organizationId, id } = await found(services.organizations, args);
      return membersShown(
        await services.organizations.listTeamMembers(organizationId, id, pageOf(options)),
        io,
      );
    },
  },
  {
    name: 'team add-member',
    summary: 'Put a member of the organization into a team.',
    arguments: [organization, team, who],
    async run({ services, args, by }) {
      const { organizationId, id, name } = await found(services.organizations, args);
      const account = await accountNamed(services.accounts, args.text('account'));
      await services.organizations.addTeamMember(organizationId, id, account.id, by);
      return {
        json: { teamId: id, accountId: account.id, member: true },
        text: `${account.email ?? account.username ?? account.id} is in ${name}.`,
      };
    },
  },
  {
    name: 'team remove-member',
    summary: 'Take somebody out of a team.',
    arguments: [organization, team, who],
    async run({ services, args, by }) {
      const { organizationId, id, name } = await found(services.organizations, args);
      const account = await accountNamed(services.accounts, args.text('account'));
      await services.organizations.removeTeamMember(organizationId, id, account.id, by);
      return {
        json: { teamId: id, accountId: account.id, member: false },
        text: `${account.email ?? account.username ?? account.id} is not in ${name}.`,
      };
    },
  },
];

async function found(organizations: Organizations, args: Arguments): Promise<Team> {
  const { id } = await organizationNamed(organizations, args.text('organization'));
  const text = args.text('team');
  const one = (await organizations.findTeam(id, text)) ?? (await organizations.findTeamByName(id, text));
  if (one === undefined) throw failure('team_not_found');
  return one;
}

function shown(one: Team): CommandResult {
  return {
    json: TeamView.parse(one),
    text: [`id            ${one.id}`, `name          ${one.name}`, `organization  ${one.organizationId}`],
  };
}
