// The options of `gatehouse key create` and `key change`, and what they say in the words of the API.
import type { Access } from '../access/access.ts';
import { type Accounts, accountNamed } from '../accounts/accounts.ts';
import { definedFields } from '../lib/fields.ts';
import { parseRateLimit, type RateLimit } from '../lib/rate-limits.ts';
import { type Organizations, organizationNamed } from '../organizations/organizations.ts';
import { type Arguments, type CommandOption, type Options, UsageMistake } from '../platform/command.ts';
import type { NewApiKey } from './schema.ts';

export const settings: CommandOption[] = [
  {
    name: 'api',
    value: 'audience',
    repeat: true,
    summary: "An API it may be used at; '' for all of its owner's.",
  },
  {
    name: 'allow-address',
    value: 'range',
    repeat: true,
    summary: "An address or CIDR range it may be used from; '' for anywhere.",
  },
  {
    name: 'limit',
    value: 'rate',
    repeat: true,
    summary: "How often: 100/second, 600/minute+50, 5000/hour; after + so many at once. '' for no limit.",
  },
  {
    name: 'constraint',
    value: 'name=value,…',
    repeat: true,
    summary: "An allow-list, such as model=small,large; '' for none.",
  },
  { name: 'claim', value: 'name=json', repeat: true, summary: "What its tokens say; '' for nothing." },
  { name: 'notes', value: 'text', summary: "What people should know about it; '' for nothing." },
  { name: 'expires', value: 'time', summary: "When it ends (ISO 8601), or 'never'." },
];

/** What it may do, in whichever of the three ways it is said. */
export const permissionOptions: CommandOption[] = [
  { name: 'permission', value: 'permission', repeat: true, summary: 'What it may do, such as files:read.' },
  { name: 'permissions', value: 'list', summary: "Several of them in one text: 'api:read api:write'." },
];

export function permissionsGiven(options: Options, admin = false): string[] {
  if (admin) return ['*:*'];
  const listed = options.text('permissions')?.split(/\s+/) ?? [];
  return [...new Set([...options.list('permission'), ...listed])].filter((text) => text !== '');
}

/** `key revoke key_…` and `key revoke --id key_…`. */
export const which = { name: 'id', optional: true, summary: 'The id of the key: key_ and 26 characters.' };
export const idOption: CommandOption = { name: 'id', value: 'id', summary: 'The same as the id alone.' };

export function idGiven(args: Arguments, options: Options): string {
  const [alone, named] = [args.optional('id'), options.text('id')];
  if (alone !== undefined && named !== undefined && alone !== named)
    throw new UsageMistake('Give the id once.');
  const id = alone ?? named;
  if (id === undefined) throw new UsageMistake('Say which key: its id, key_ and 26 characters.');
  return id;
}

export interface Named {
  access: Pick<Access, 'findRoleByName' | 'listAssignments'>;
  accounts: Pick<Accounts, 'find' | 'findByIdentifier'>;
  organizations: Pick<Organizations, 'find' | 'findBySlug'>;
}

type Whose = Pick<NewApiKey, 'owner' | 'organizationId' | 'parentId'>;

/** Of a server that one person administers: theirs, unless told. */
export async function ownerOrOnlyAdmin(options: Options, named: Named): Promise<Whose> {
  const { access } = named;
  if (['account', 'client', 'organization', 'parent'].some((name) => options.text(name) !== undefined))
    return ownerGiven(options, named);
  const roleId = (await access.findRoleByName('admin', null))?.id;
  const { items } = await access.listAssignments(
    { roleId, organizationId: null },
    { limit: 50, cursor: null },
  );
  const people = items.filter(({ subjectKind }) => subjectKind === 'account');
  const [only] = people;
  // Says what to give.
  if (only === undefined || people.length > 1) return ownerGiven(options, named);
  return { owner: { kind: 'account', id: only.subjectId } };
}

async function ownerGiven(options: Options, { accounts, organizations }: Named): Promise<Whose> {
  const [account, client, place, parentId] = ['account', 'client', 'organization', 'parent'].map((name) =>
    options.text(name),
  );
  if (parentId !== undefined) return { parentId };
  if (account !== undefined && client !== undefined)
    throw new UsageMistake('Give --account or --client, not both.');
  const organization = place === undefined ? undefined : (await organizationNamed(organizations, place)).id;
  const organizationId = organization ?? null;
  if (account !== undefined) {
    const { id } = await accountNamed(accounts, account);
    return { owner: { kind: 'account', id }, organizationId };
  }
  if (client !== undefined) return { owner: { kind: 'client', id: client }, organizationId };
  if (organization !== undefined) return { owner: { kind: 'organization', id: organization } };
  throw new UsageMistake(
    'Say whose key it is: --account, --client or --organization, or --parent for a sub-key.',
  );
}

/** A list that holds just the empty text empties the field. */
export function settingsOf(options: Options) {
  const list = (name: string) => {
    const given = options.list(name);
    return given.length === 0 ? undefined : given.filter((text) => text !== '');
  };
  const limits = list('limit')?.map(rateOf);
  const constraints = list('constraint')?.map((text) => pairOf('constraint', text));
  const claims = list('claim')?.map((text) => pairOf('claim', text));
  const notes = options.text('notes');
  const never = options.text('expires') === 'never';
  return definedFields({
    apis: nullIfEmpty(list('api')),
    allowedAddresses: nullIfEmpty(list('allow-address')),
    rateLimits: limits,
    constraints:
      constraints && Object.fromEntries(constraints.map(([name, text]) => [name, text.split(',')])),
    claims: claims && Object.fromEntries(claims.map(([name, text]) => [name, jsonOf(text)])),
    notes: notes === '' ? null : notes,
    expiresAt: never ? null : options.time('expires'),
  });
}

function nullIfEmpty(list: string[] | undefined): string[] | null | undefined {
  return list?.length === 0 ? null : list;
}

function rateOf(text: string): RateLimit {
  const rate = parseRateLimit(text);
  if (rate === undefined)
    throw new UsageMistake('--limit takes a rate: 100/second, 600/minute or 5000/hour+50.');
  return rate;
}

function pairOf(option: string, text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageMistake(`--${option} takes a name and a value: name=value.`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** What is no JSON is a text: --claim tier=gold. */
function jsonOf(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
