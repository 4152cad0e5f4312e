// gatehouse registration-code …, and invitations to organizations: who may come.
import { type Organizations, organizationNamed } from '../organizations/organizations.ts';
import { type Command, type CommandOption, type Options, UsageMistake } from '../platform/command.ts';
import { failure } from '../platform/errors.ts';
import type { Registration } from './registration.ts';
import { InvitationView, IssuedRegistrationCodeView, RegistrationCodeView } from './schema.ts';

type Services = { registration: Registration; organizations: Organizations };

const DEFAULT_LIMIT = 50;
const MAXIMUM_LIMIT = 500;
const UNITS: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000 };

const pageOptions: CommandOption[] = [
  {
    name: 'limit',
    value: 'number',
    summary: `How many, ${DEFAULT_LIMIT} unless told, at most ${MAXIMUM_LIMIT}.`,
  },
  { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
];
const which = { name: 'organization', summary: 'Organization id or slug.' };
const invitation = { name: 'invitation', summary: 'Invitation id.' };
const locale: CommandOption = {
  name: 'locale',
  value: 'tag',
  summary: 'The language of the mail, such as de.',
};

const codes: Command<Services>[] = [
  {
    name: 'registration-code create',
    summary: 'Make a registration code; it is shown once.',
    options: [
      { name: 'uses', value: 'number', summary: 'How many accounts may be made with it, 1 unless told.' },
      {
        name: 'expires',
        value: 'time',
        summary: 'When it ends: 30d, 12h, an ISO 8601 time, or never; 30d unless told.',
      },
      { name: 'note', value: 'text', summary: 'What it is for.' },
    ],
    async run({ services, options, by }) {
      const maximumUses = options.number('uses') ?? 1;
      if (maximumUses < 1 || maximumUses > 1_000_000) throw new UsageMistake('--uses is 1 to 1000000.');
      const input = { maximumUses, note: options.text('note'), expiresAt: endOf(options) };
      const { registrationCode, code } = await services.registration.codes.create(input, by);
      const end = registrationCode.expiresAt?.toISOString() ?? 'never';
      return {
        json: IssuedRegistrationCodeView.parse({ ...registrationCode, code }),
        text: [
          `id       ${registrationCode.id}`,
          `code     ${code}`,
          `uses     ${maximumUses}`,
          `expires  ${end}`,
          'The code is shown this once.',
        ],
      };
    },
  },
  {
    name: 'registration-code list',
    summary: 'Show registration codes, the newest first.',
    options: pageOptions,
    async run({ services, options, io }) {
      const page = await services.registration.codes.list(pageOf(options));
      if (page.nextCursor !== null) io.note(`More: --cursor ${page.nextCursor}`);
      return {
        json: { ...page, items: page.items.map((one) => RegistrationCodeView.parse(one)) },
        text: {
          columns: ['id', 'note', 'used', 'of', 'expires', 'revoked'],
          rows: page.items.map((one) => [
            ...[one.id, one.note, one.uses, one.maximumUses],
            ...[one.expiresAt?.toISOString(), one.revokedAt?.toISOString()],
          ]),
          empty: 'There are no registration codes.',
        },
      };
    },
  },
  {
    name: 'registration-code revoke',
    summary: 'Let nobody register by it any more; the accounts that were made stay.',
    arguments: [{ name: 'id', summary: 'Its id.' }],
    async run({ services, args, by }) {
      const one = await services.registration.codes.revoke(args.text('id'), by);
      return { json: RegistrationCodeView.parse(one), text: `${one.id} is revoked.` };
    },
  },
];

const invitations: Command<Services>[] = [
  {
    name: 'org invite',
    summary: 'Invite a mail address to an organization, or to one of its teams.',
    arguments: [which, { name: 'email', summary: 'The address.' }],
    options: [{ name: 'team', value: 'team', summary: 'Team id or name.' }, locale],
    async run({ services, args, options, by }) {
      const { id } = await organizationNamed(services.organizations, args.text('organization'));
      const teamId = await teamNamed(services.organizations, id, options.text('team'));
      const input = { email: args.text('email'), teamId, locale: options.text('locale') };
      const made = await services.registration.invitations.create(id, input, by);
      return { json: InvitationView.parse(made), text: `${made.email} is invited (${made.id}).` };
    },
  },
  {
    name: 'org invitations',
    summary: 'Show the invitations to an organization, the newest first.',
    arguments: [which],
    options: pageOptions,
    async run({ services, args, options, io }) {
      const { id } = await organizationNamed(services.organizations, args.text('organization'));
      const page = await services.registration.invitations.list(id, pageOf(options));
      if (page.nextCursor !== null) io.note(`More: --cursor ${page.nextCursor}`);
      return {
        json: { ...page, items: page.items.map((one) => InvitationView.parse(one)) },
        text: {
          columns: ['id', 'mail address', 'team', 'expires', 'accepted', 'revoked'],
          rows: page.items.map((one) => [
            ...[one.id, one.email, one.teamId, one.expiresAt.toISOString()],
            ...[one.acceptedAt?.toISOString(), one.revokedAt?.toISOString()],
          ]),
          empty: 'Nobody is invited.',
        },
      };
    },
  },
  {
    name: 'org revoke-invitation',
    summary: 'Take an invitation back.',
    arguments: [which, invitation],
    async run({ services, args, by }) {
      const { id } = await organizationNamed(services.organizations, args.text('organization'));
      const one = await services.registration.invitations.revoke(id, args.text('invitation'), by);
      return { json: InvitationView.parse(one), text: `The invitation of ${one.email} is taken back.` };
    },
  },
  {
    name: 'org resend-invitation',
    summary: 'Send an invitation once more, with a new link and a new week.',
    arguments: [which, invitation],
    options: [locale],
    async run({ services, args, options, by }) {
      const { id } = await organizationNamed(services.organizations, args.text('organization'));
      const { invitations: all } = services.registration;
      const one = await all.resend(id, args.text('invitation'), by, options.text('locale'));
      return { json: InvitationView.parse(one), text: `${one.email} is written to again.` };
    },
  },
];

export const commands: Command<Services>[] = [...codes, ...invitations];

function pageOf(options: Options) {
  const limit = Math.min(Math.max(options.number('limit') ?? DEFAULT_LIMIT, 1), MAXIMUM_LIMIT);
  return { limit, cursor: options.text('cursor') ?? null };
}

/** undefined: as long as usual; null: for ever. */
function endOf(options: Options): Date | null | undefined {
  const text = options.text('expires');
  if (text === 'never') return null;
  const [, count, unit = ''] = /^(\d{1,5})([dhm])$/.exec(text ?? '') ?? [];
  if (count === undefined) return options.time('expires');
  return new Date(Date.now() + Number(count) * (UNITS[unit] ?? 0));
}

async function teamNamed(organizations: Organizations, organizationId: string, text: string | undefined) {
  if (text === undefined) return null;
  const team =
    (await organizations.findTeam(organizationId, text)) ??
    (await organizations.findTeamByName(organizationId, text));
  if (team === undefined) throw failure('team_not_found', { team: text });
  return team.id;
}
