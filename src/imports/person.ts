// One record, checked: the account that it would make, and what comes with it; or why it is refused.
import type { AccountBulk, Candidate } from '../accounts/accounts.ts';
import type { Passwords } from '../credentials/credentials.ts';
import { definedFields, fieldsOf } from '../lib/fields.ts';
import type { OrganizationId } from '../lib/ids.ts';
import { AppError } from '../platform/errors.ts';
import { type Entry, type ImportRules, type Outcome, PersonRecord } from './schema.ts';

export interface Person {
  readonly line: number;
  readonly ref?: string;
  readonly candidate: Candidate;
  readonly organizationId?: OrganizationId;
  /** A hash of another system, or a password that is still to be hashed. */
  readonly password?: { readonly hash: string } | { readonly plain: string };
}

export type Refused = Extract<Outcome, { result: 'refused' }>;

export interface PersonDeps {
  bulk: Pick<AccountBulk, 'check'>;
  passwords: Pick<Passwords, 'readForeign'>;
  /** By slug. */
  organization(slug: string): Promise<OrganizationId | undefined>;
  rules: ImportRules;
}

export async function personIn(entry: Entry, deps: PersonDeps): Promise<Person | Refused> {
  const { line } = entry;
  if ('mistake' in entry) return refused({ line }, { line: entry.mistake });
  const parsed = PersonRecord.safeParse(entry.fields);
  if (!parsed.success) return refused({ line, ref: entry.fields.id }, fieldsOf(parsed.error));
  const record = parsed.data;
  const about = { line, ref: record.id };
  const broken = brokenRules(record, deps.rules);
  if (Object.keys(broken).length > 0) return refused(about, broken);
  const password = passwordIn(record, deps);
  if (typeof password === 'string') return refused(about, { password_hash: password });
  const { organization: slug } = record;
  const organizationId = slug ? await deps.organization(slug) : undefined;
  if (slug && organizationId === undefined) {
    return {
      ...refused(about, { organization: 'There is no such organization.' }),
      code: 'organization_not_found',
    };
  }
  try {
    const candidate = deps.bulk.check(accountIn(record));
    return { ...located(about), candidate, ...definedFields({ organizationId, password }) };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { code, message, details } = error;
    return { ...refused(about, details.fields ?? { line: message }), code };
  }
}

function brokenRules(record: PersonRecord, rules: ImportRules): Record<string, string> {
  return {
    ...(record.admin === true &&
      !rules.allowAdmins && { admin: 'Administrators are only made with --allow-admins.' }),
    ...(record.password &&
      !rules.allowPlain && { password: 'Passwords in the clear are only taken with --allow-plain.' }),
    ...(record.password && record.password_hash && { password: 'Give a password or its hash, not both.' }),
    // PostgreSQL has no text with it, and no name needs it.
    ...(JSON.stringify(record).includes('\\u0000') && { line: 'There is a null character in it.' }),
  };
}

/** Text: why there is none. */
function passwordIn(
  { password, password_hash: hash }: PersonRecord,
  { passwords }: Pick<PersonDeps, 'passwords'>,
): Person['password'] | string {
  if (password) return { plain: password };
  if (!hash) return undefined;
  const read = passwords.readForeign(hash);
  if (read.kind === 'taken') return { hash: read.stored };
  return read.kind === 'costly'
    ? 'To check this hash costs more than a sign-in may: see docs/import.md.'
    : 'This form of hash is not known: docs/import.md lists those that are.';
}

function accountIn(record: PersonRecord) {
  return {
    email: record.email,
    emailVerified: record.email_verified ?? false,
    username: record.username,
    name: record.name,
    givenName: record.given_name,
    familyName: record.family_name,
    picture: record.picture,
    locale: record.locale,
    zoneinfo: record.zoneinfo,
    admin: record.admin ?? false,
    ...definedFields({
      phoneNumber: record.phone_number ?? undefined,
      phoneNumberVerified: record.phone_number_verified ?? undefined,
      profile: record.profile ?? undefined,
    }),
  };
}

const LONGEST_REF = 256;

interface About {
  line: number;
  ref?: unknown;
}

export function located({ line, ref }: About): { line: number; ref?: string } {
  const isRef = typeof ref === 'string' || typeof ref === 'number';
  return isRef ? { line, ref: String(ref).slice(0, LONGEST_REF) } : { line };
}

function refused(about: About, fields: Record<string, string>): Refused {
  const reason = Object.entries(fields).map(([field, sentence]) =>
    field === 'line' ? sentence : `${field}: ${sentence}`,
  );
  return { ...located(about), result: 'refused', code: 'request_invalid', reason: reason.join(' '), fields };
}
