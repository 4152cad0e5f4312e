// Fields of a profile as a form shows them, and what is typed into it as the profile takes it. Pure.
import type { CheckedProfile } from './profile.ts';
import type { ProfileColumn, ProfileField, ProfileMistake, ProfileValues } from './profile-kinds.ts';
import type { AccountChange } from './schema.ts';

const PREFIX = 'field_';

/** What the partial profile-field shows. */
export interface ShownField {
  readonly name: string;
  readonly label: string;
  readonly kind: ProfileField['kind'];
  readonly value: string;
  readonly error: string | null;
  readonly hint: string | null;
  readonly isRequired: boolean;
  readonly autocomplete: string;
  readonly maximumLength: number;
  readonly options: readonly { readonly value: string; readonly label: string }[];
}

export interface Language {
  readonly locale: string;
  readonly t: (key: string, values?: Readonly<Record<string, string | number>>) => string;
}

export interface FormState {
  /** What was typed, by the names of the form; else what is there. */
  readonly typed?: Readonly<Record<string, string>> | undefined;
  readonly values: ProfileValues;
  readonly errors: Readonly<Record<string, string>>;
}

export const formName = (field: string): string => `${PREFIX}${field}`;

export function shownFields(
  fields: readonly ProfileField[],
  { typed, values, errors }: FormState,
  language: Language,
): ShownField[] {
  return fields.map((field) => {
    const error = errors[field.name];
    const hint = `profile.hint.${field.kind}`;
    const said = language.t(hint);
    return {
      name: formName(field.name),
      label: labelOf(field, language),
      kind: field.kind,
      value: typed === undefined ? String(values[field.name] ?? '') : (typed[formName(field.name)] ?? ''),
      error: error === undefined ? null : language.t(error, { maximumLength: field.maximumLength }),
      hint: said === hint ? null : said,
      isRequired: field.registration === 'required',
      autocomplete: field.autocomplete,
      maximumLength: field.maximumLength,
      options: optionsOf(field, language),
    };
  });
}

/** Each of the fields as it was typed; a box that is not ticked is sent as nothing at all. */
export function typedFields(
  fields: readonly ProfileField[],
  typed: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(fields.map(({ name }) => [name, typed[formName(name)] ?? '']));
}

/** Message keys by field: what is wrong with what was typed into the form of these fields. */
export function mistakesIn(
  fields: readonly ProfileField[],
  { mistakes, values }: CheckedProfile,
): Record<string, string> {
  const wrong = Object.entries(mistakes).map(([name, mistake]) => [name, messageOf(mistake)]);
  const missing = fields
    .filter(
      ({ name, registration }) =>
        registration === 'required' && mistakes[name] === undefined && (values[name] ?? null) === null,
    )
    .map(({ name }) => [name, messageOf('required')]);
  return Object.fromEntries([...wrong, ...missing]);
}

const messageOf = (mistake: ProfileMistake): string => `profile.error.${mistake}`;

/** A change of the account: what has a column of its own, and what lies in its profile. */
export function changeOf(
  fields: readonly ProfileField[],
  values: CheckedProfile['values'],
): Pick<AccountChange, ProfileColumn | 'profile'> {
  const given = Object.entries(values).map(([name, value]) => ({
    column: fields.find((field) => field.name === name)?.column,
    name,
    value,
  }));
  const columns = given.flatMap(({ column, value }) => (column === undefined ? [] : [[column, value]]));
  const extras = given.flatMap(({ column, name, value }) => (column === undefined ? [[name, value]] : []));
  return {
    ...Object.fromEntries(columns),
    profile: Object.fromEntries(extras),
  };
}

function optionsOf({ kind, choices }: ProfileField, { locale, t }: Language) {
  const none = { value: '', label: t('profile.choose') };
  if (kind === 'zoneinfo') {
    return [none, ...Intl.supportedValuesOf('timeZone').map((zone) => ({ value: zone, label: zone }))];
  }
  if (kind !== 'choice') return [];
  return [none, ...choices.map(({ value, label }) => ({ value, label: inLanguage(label, locale) ?? value }))];
}

function labelOf({ name, label }: ProfileField, { locale, t }: Language): string {
  return label === undefined ? t(`profile.field.${name}`) : (inLanguage(label, locale) ?? name);
}

function inLanguage(label: Readonly<Record<string, string>>, locale: string): string | undefined {
  return label[locale] ?? label[locale.split('-')[0] ?? ''] ?? label.en;
}
