// gatehouse role … and gatehouse access …: roles, to whom they are assigned, what somebody may do, and why.
import type { Accounts } from '../accounts/accounts.ts';
import type { Clients } from '../clients/clients.ts';
import { definedFields } from '../lib/fields.ts';
import { type Organizations, organizationNamed } from '../organizations/organizations.ts';
import {
  type Command,
  type CommandOption,
  type CommandResult,
  confirmed,
  type Options,
  signInRules,
  signInRulesIn,
  UsageMistake,
  yes,
} from '../platform/command.ts';
import { failure } from '../platform/errors.ts';
import type { Access, Assignment, Role } from './access.ts';
import { asOperator } from './holding.ts';
import { actorNamed, roleNamed, subjectNamed } from './naming.ts';
import { resourceNamed } from './schema.ts';

interface Services {
  access: Access;
  accounts: Accounts;
  clients: Clients;
  organizations: Organizations;
}

const DEFAULT_LIMIT = 50;
const which = { name: 'role', summary: 'The id or the name of the role.' };
const who = {
  name: 'subject',
  summary:
    'An account (id, mail address or user name), a client, a team or an API key by id; account:NAME or client:ID when it could be either.',
};
const organization: CommandOption = {
  name: 'organization',
  value: 'id',
  summary: 'Inside this organization, by id or slug; everywhere without it.',
};
const pages: CommandOption[] = [
  { name: 'limit', value: 'number', summary: `How many, ${DEFAULT_LIMIT} unless told.` },
  { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
];
const settings: CommandOption[] = [
  ...signInRules,
  { name: 'description', value: 'text', summary: 'What it is for.' },
  {
    name: 'permission',
    value: 'permission',
    repeat: true,
    summary: "What it allows: 'files:read', 'files:read:reports:*', '*:read'; '' for nothing.",
  },
  {
    name: 'parent',
    value: 'role',
    repeat: true,
    summary: "A role that it has everything of; '' for none.",
  },
];

const roleCommands: Command<Services>[] = [
  {
    name: 'role create',
    summary: 'Make a role.',
    arguments: [{ name: 'name', summary: 'A word in lower case.' }],
    options: [...settings, organization],
    async run({ services, args, options, by }) {
      const organizationId = await placeOf(services, options);
      const fields = await settingsOf(services, options, organizationId);
      const input = { name: args.text('name'), organizationId, ...fields };
      return shown(services, await services.access.createRole(input, asOperator(by)));
    },
  },
  {
    name: 'role list',
    summary: 'Show the roles that are known everywhere, and with --organization those of it.',
    options: [organization, ...pages],
    async run({ services, options }) {
      const organizationId = (await placeOf(services, options)) ?? undefined;
      const page = await services.access.listRoles({ organizationId }, pageOf(options));
      return {
        json: page,
        text: {
          columns: ['id', 'name', 'organization', 'permissions', 'description'],
          rows: page.items.map((role) => [
            role.id,
            role.name,
            role.organizationId,
            role.permissions.join(' '),
            role.description,
          ]),
          empty: 'No roles.',
        },
      };
    },
  },
  {
    name: 'role show',
    summary: 'Show one role.',
    arguments: [which],
    options: [organization],
    run: async ({ services, args, options }) =>
      shown(services, await roleNamed(services, args.text('role'), await placeOf(services, options))),
  },
  {
    name: 'role change',
    summary: 'Change a role; permissions and parents that are given replace all of them.',
    arguments: [which],
    options: [{ name: 'name', value: 'name', summary: 'Its new name.' }, ...settings, organization],
    async run({ services, args, options, by }) {
      const role = await roleNamed(services, args.text('role'), await placeOf(services, options));
      const fields = await settingsOf(services, options, role.organizationId);
      const change = definedFields({ name: options.text('name'), ...fields });
      return shown(services, await services.access.changeRole(role.id, change, asOperator(by)));
    },
  },
  {
    name: 'role remove',
    summary: 'Remove a role.',
    arguments: [which],
    options: [
      { name: 'with-assignments', summary: 'Also when it is assigned: the assignments end with it.' },
      organization,
      yes,
    ],
    async run({ services, args, options, io, by }) {
      const role = await roleNamed(services, args.text('role'), await placeOf(services, options));
      if (!(await confirmed({ options, io }, `Remove the role ${role.name}?`))) return undefined;
      const withAssignments = options.flag('with-assignments');
      await services.access.removeRole(role.id, asOperator(by), { withAssignments });
      return { json: { removed: role.id }, text: `Removed ${role.name}.` };
    },
  },
];

const assignmentCommands: Command<Services>[] = [
  {
    name: 'role assign',
    summary: 'Assign a role. Once more is no change.',
    arguments: [which, who],
    options: [organization],
    async run({ services, args, options, by }) {
      const wanted = await wantedOf(services, args.text('role'), args.text('subject'), options);
      const made = await services.access.assign(wanted, asOperator(by));
      return { json: made, text: `${made.subjectId} has the role ${made.role}${placeText(made)}.` };
    },
  },
  {
    name: 'role unassign',
    summary: 'Take a role away. Once more is no change.',
    arguments: [which, who],
    options: [organization],
    async run({ services, args, options, by }) {
      const wanted = await wantedOf(services, args.text('role'), args.text('subject'), options);
      await services.access.unassign(wanted, asOperator(by));
      return {
        json: { unassigned: wanted.roleId, subject: wanted.subject },
        text: `${wanted.subject.id} has the role ${args.text('role')} no more.`,
      };
    },
  },
  {
    name: 'role members',
    summary: 'Show to whom a role is assigned.',
    arguments: [which],
    options: [organization, ...pages],
    async run({ services, args, options }) {
      const organizationId = await placeOf(services, options);
      const role = await roleNamed(services, args.text('role'), organizationId);
      const filter = { roleId: role.id, ...(organizationId !== null && { organizationId }) };
      const page = await services.access.listAssignments(filter, pageOf(options));
      return {
        json: page,
        text: {
          columns: ['kind', 'id', 'organization', 'since'],
          rows: page.items.map((one) => [
            one.subjectKind,
            one.subjectId,
            one.organizationId,
            one.createdAt.toISOString(),
          ]),
          empty: 'Nobody has this role.',
        },
      };
    },
  },
];

const accessCommands: Command<Services>[] = [
  {
    name: 'access explain',
    summary: 'Whether somebody may do something, and why.',
    arguments: [
      who,
      { name: 'action', summary: "What they want to do: 'read'." },
      { name: 'resource', summary: "To what: a type, or type:id: 'files', 'files:7'." },
    ],
    options: [
      organization,
      {
        name: 'property',
        value: 'name=text',
        repeat: true,
        summary: "A property of the resource, unless it is registered: 'owner=anna@example.com'.",
      },
    ],
    async run({ services, args, options }) {
      const subject = await actorNamed(services, args.text('subject'));
      const organizationId = await placeOf(services, options);
      const resource = { ...resourceNamed(args.text('resource')), properties: propertiesOf(options) };
      const question = { subject, organizationId, action: args.text('action'), resource };
      const decision = await services.access.decide(question);
      const [reason] = decision.reasons;
      if (reason?.code === 'question_invalid')
        throw new UsageMistake(`${reason.text} Name one as type or type:id.`);
      const verdict = decision.allowed ? 'Allowed.' : 'Not allowed.';
      return { json: decision, text: [verdict, ...decision.reasons.map(({ text }) => `  ${text}`)] };
    },
  },
  {
    name: 'access list',
    summary: 'Show everything that somebody may do, and by which roles.',
    arguments: [who],
    options: [organization],
    async run({ services, args, options }) {
      const subject = await actorNamed(services, args.text('subject'));
      const facts = await services.access.effectiveOf(subject, await placeOf(services, options));
      if (facts === undefined) throw failure('subject_not_found');
      const { permissions, roles, sources } = facts;
      return {
        json: { permissions: permissions.texts, roles, sources },
        text: {
          columns: ['permission', 'from'],
          rows: sources.map(({ permission, via }) => [permission, via]),
          empty: 'No permissions.',
        },
      };
    },
  },
];

export const commands: Command<Services>[] = [...roleCommands, ...assignmentCommands, ...accessCommands];

function pageOf(options: Options) {
  return { limit: options.number('limit') ?? DEFAULT_LIMIT, cursor: options.text('cursor') ?? null };
}

async function placeOf({ organizations }: Services, options: Options): Promise<string | null> {
  const text = options.text('organization');
  return text === undefined ? null : (await organizationNamed(organizations, text)).id;
}

async function settingsOf(services: Services, options: Options, organizationId: string | null) {
  const permissions = options.list('permission');
  const parents = options.list('parent');
  const named = parents
    .filter((text) => text !== '')
    .map(async (text) => (await roleNamed(services, text, organizationId)).id);
  return definedFields({
    description: options.text('description'),
    ...signInRulesIn(options),
    permissions: permissions.length > 0 ? permissions.filter((text) => text !== '') : undefined,
    parents: parents.length > 0 ? await Promise.all(named) : undefined,
  });
}

async function wantedOf(services: Services, role: string, subject: string, options: Options) {
  const organizationId = await placeOf(services, options);
  const { id } = await roleNamed(services, role, organizationId);
  return { roleId: id, subject: await subjectNamed(services, subject), organizationId };
}

function propertiesOf(options: Options): Record<string, unknown> {
  const pairs = options.list('property').map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageMistake("--property takes a name and a text: 'owner=anna@example.com'.");
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  return Object.fromEntries(pairs);
}

const placeText = ({ organizationId }: Assignment) =>
  organizationId === null ? '' : ` in ${organizationId}`;

async function shown({ access }: Services, role: Role): Promise<CommandResult> {
  const parents = await Promise.all(role.parents.map((id) => access.findRole(id)));
  return {
    json: role,
    text: [
      `id             ${role.id}`,
      `name           ${role.name}`,
      `organization   ${role.organizationId ?? '-'}`,
      `description    ${role.description ?? '-'}`,
      `inherits       ${parents.map((parent) => parent?.name ?? '?').join(', ') || '-'}`,
      ...role.permissions.map((permission) => `permission     ${permission}`),
    ],
  };
}
