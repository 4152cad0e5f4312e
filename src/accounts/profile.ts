// The fields of a profile: one table of the standard claims and of the operator's own, with who may see and who may change
// each, and under which claim and scope apps learn it. Pure.
import {
  type CheckedValue,
  checkValue,
  type claimScopes,
  mistakes,
  type ProfileField,
  type ProfileMistake,
  type ProfileParty,
  type ProfileValue,
  type ProfileValues,
} from './profile-kinds.ts';
import { standardFields } from './profile-standard.ts';
import type { Account } from './schema.ts';

export type {
  ProfileField,
  ProfileMistake,
  ProfileParty,
  ProfileValue,
  ProfileValues,
} from './profile-kinds.ts';

export interface CheckedProfile {
  /** Null empties a field. */
  readonly values: Readonly<Record<string, ProfileValue | null>>;
  readonly mistakes: Readonly<Record<string, ProfileMistake>>;
}

export interface Profile {
  readonly fields: readonly ProfileField[];
  field(name: string): ProfileField | undefined;
  /** Every field that the account has a value of, by name; `party`: only those that they may see. */
  valuesOf(account: Account, party?: ProfileParty): ProfileValues;
  /** Only what lies in `profile`, for views that show the columns by themselves. */
  extrasOf(account: Pick<Account, 'profile'>, party: ProfileParty): ProfileValues;
  /** `by`: a field that is not theirs to change is a mistake. */
  check(given: Readonly<Record<string, unknown>>, by?: ProfileParty): CheckedProfile;
  /** Whether anything is required of owners. */
  readonly asksAnything: boolean;
  /** Required of its owner, theirs to fill in, and empty. */
  missingFrom(account: Account): readonly ProfileField[];
  /** What apps are told, by claim. */
  claimsOf(account: Account): Readonly<Record<string, unknown>>;
  /** The names of the claims under each scope. */
  claimsUnder(scope: (typeof claimScopes)[number]): string[];
}

export function createProfile(own: readonly ProfileField[] = []): Profile {
  const fields = [
    ...standardFields.map((field) => own.find(({ name }) => name === field.name) ?? field),
    ...own.filter(({ name }) => standardFields.every((field) => field.name !== name)),
  ];
  const required = fields.filter(
    ({ registration, changeableBy }) => registration === 'required' && changeableBy.includes('owner'),
  );
  const byName = new Map(fields.map((field) => [field.name, field]));
  const visible = (name: string, party?: ProfileParty) =>
    party === undefined || byName.get(name)?.visibleTo.includes(party) === true;

  return {
    fields,
    field: (name) => byName.get(name),
    valuesOf: (account, party) =>
      Object.fromEntries(
        fields.flatMap((field) => {
          const value = valueIn(account, field);
          return value === undefined || !visible(field.name, party) ? [] : [[field.name, value]];
        }),
      ),
    // A field that is no longer in the file stays where it is, unseen.
    extrasOf: (account, party) =>
      Object.fromEntries(Object.entries(account.profile).filter(([name]) => visible(name, party))),
    check(given, by) {
      const checked = Object.entries(given)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, checkField(byName.get(name), value, by)] as const);
      return {
        values: Object.fromEntries(
          checked.flatMap(([name, one]) => ('value' in one ? [[name, one.value]] : [])),
        ),
        mistakes: Object.fromEntries(
          checked.flatMap(([name, one]) => ('mistake' in one ? [[name, one.mistake]] : [])),
        ),
      };
    },
    asksAnything: required.length > 0,
    missingFrom: (account) => required.filter((field) => valueIn(account, field) === undefined),
    claimsOf: (account) => claimsIn(fields, account),
    claimsUnder: (scope) => [
      ...new Set(fields.flatMap(({ claim }) => (claim?.scope === scope ? [claim.name] : []))),
    ],
  };
}

/** The sentence of a mistake, for programs. */
export function sentenceOf(mistake: ProfileMistake, field: ProfileField | undefined): string {
  return mistakes[mistake].replace('{maximumLength}', String(field?.maximumLength ?? ''));
}

function checkField(field: ProfileField | undefined, value: unknown, by?: ProfileParty): CheckedValue {
  if (field === undefined) return { mistake: 'unknown' };
  if (by !== undefined && !field.changeableBy.includes(by)) return { mistake: 'notYours' };
  const choices = field.choices.map((choice) => choice.value);
  return checkValue(field.kind, value, { maximumLength: field.maximumLength, choices });
}

function valueIn(account: Account, { name, column }: ProfileField): ProfileValue | undefined {
  return (column === undefined ? account.profile[name] : account[column]) ?? undefined;
}

function claimsIn(fields: readonly ProfileField[], account: Account): Record<string, unknown> {
  const claims: Record<string, unknown> = {};
  for (const field of fields) {
    const value = valueIn(account, field);
    if (field.claim === undefined || value === undefined) continue;
    const { name, member } = field.claim;
    if (member === undefined) claims[name] = value;
    else claims[name] = { ...(claims[name] as object | undefined), [member]: value };
  }
  return claims;
}
