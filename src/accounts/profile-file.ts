// PROFILE_FILE: the operator's own fields of a profile, and what they say otherwise about the standard ones. Read once, at the
// start; what is wrong in it stops the server with a line for each mistake.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ConfigMistakes } from '../platform/config/load.ts';
import { createProfile, type Profile } from './profile.ts';
import { claimScopes, ownKinds, type ProfileField } from './profile-kinds.ts';
import { standardFields } from './profile-standard.ts';

const label = z.record(
  z.string().regex(/^[a-z]{2,3}(-[A-Za-z0-9]+)*$/, 'a language is a tag such as en or de'),
  z.string().trim().min(1).max(100),
);
const parties = z.array(z.enum(['owner', 'admin']));

/** Words of the protocol, and what the server says by itself. */
const RESERVED = new Set([
  ...[
    'sub',
    'iss',
    'aud',
    'exp',
    'iat',
    'nbf',
    'jti',
    'azp',
    'nonce',
    'auth_time',
    'acr',
    'amr',
    'sid',
    'cnf',
    'act',
  ],
  ...[
    'at_hash',
    'c_hash',
    's_hash',
    'updated_at',
    'preferred_username',
    'email',
    'email_verified',
    'username',
  ],
  ...[
    'phone_number',
    'phone_number_verified',
    'address',
    'password',
    'code',
    'terms',
    'org_id',
    'roles',
    'client_id',
  ],
  ...['permissions', 'scope', 'events', 'constructor', 'prototype', '__proto__'],
]);

const NAME = /^[a-z][a-z0-9_]{0,39}$/;

const Entry = z.strictObject({
  name: z.string().regex(NAME, 'a name has 1 to 40 small letters, digits and _, and begins with a letter'),
  label: label.optional(),
  type: z.enum(ownKinds).optional(),
  maximumLength: z.int().min(1).max(2048).optional(),
  choices: z
    .array(z.strictObject({ value: z.string().trim().min(1).max(200), label }))
    .min(1)
    .max(300)
    .optional(),
  registration: z.enum(['no', 'optional', 'required']).optional(),
  visibleTo: parties.optional(),
  changeableBy: parties.optional(),
  claim: z
    .strictObject({
      scope: z.enum(claimScopes),
      name: z.string().regex(NAME, 'a claim is named like a field'),
    })
    .optional(),
});
type Entry = z.output<typeof Entry>;

const File = z.strictObject({ fields: z.array(Entry).max(50) });

/** Throws ConfigMistakes: a server that asks people for the wrong things had better not start. */
export function profileFrom({ file }: { file: string | undefined }): Profile {
  if (file === undefined) return createProfile();
  const read = profileFieldsIn(file);
  if ('mistakes' in read) throw new ConfigMistakes(read.mistakes, []);
  return createProfile(read.fields);
}

/** The fields, or every mistake. */
function profileFieldsIn(path: string): { fields: ProfileField[] } | { mistakes: string[] } {
  const read = textOf(path);
  if (read === undefined)
    return { mistakes: [`PROFILE_FILE ${path} cannot be read: check the path and who may read it.`] };
  const parsed = File.safeParse(jsonOf(read));
  if (!parsed.success) {
    const mistakes = parsed.error.issues.map(
      (issue) => `PROFILE_FILE ${placeOf(issue.path)}: ${issue.message}.`,
    );
    return { mistakes };
  }
  const { fields } = parsed.data;
  const mistakes = fields.flatMap((entry, at) => mistakesIn(entry, fields.slice(0, at)));
  return mistakes.length > 0 ? { mistakes } : { fields: fields.map(fieldOf) };
}

function mistakesIn(entry: Entry, before: readonly Entry[]): string[] {
  const say = (sentence: string) => `PROFILE_FILE field "${entry.name}" ${sentence}.`;
  const standard = standardFields.some(({ name }) => name === entry.name);
  const claim = entry.claim?.name;
  const claims = [...standardFields, ...before].map((field) => field.claim?.name);
  const keepsItsForm = ['type', 'choices', 'label', 'maximumLength', 'claim'] as const;
  const rules: [boolean, string][] = [
    [before.some(({ name }) => name === entry.name), 'is there twice: leave one out'],
    [RESERVED.has(entry.name), 'has a name that the server uses itself: choose another one'],
    [!standard && entry.label === undefined, 'has no label: add one, such as {"en": "Department"}'],
    [
      !standard && entry.label?.en === undefined && entry.label !== undefined,
      'has no label in English: add "en"',
    ],
    [entry.type === 'choice' && entry.choices === undefined, 'is a choice and has no choices: add them'],
    [
      entry.type !== 'choice' && entry.choices !== undefined,
      'has choices and is no choice: set "type": "choice"',
    ],
    [
      standard && keepsItsForm.some((part) => entry[part] !== undefined),
      'is a standard claim: only registration, visibleTo and changeableBy can be said of it',
    ],
    [
      claim !== undefined && (RESERVED.has(claim) || claims.includes(claim)),
      `has the claim "${claim}", which is taken`,
    ],
    [
      entry.registration === 'required' && entry.type === 'boolean',
      'is a box to tick and cannot be required: make it a choice',
    ],
    [
      entry.registration !== undefined &&
        entry.registration !== 'no' &&
        entry.changeableBy?.includes('owner') === false,
      'is asked at registration, where its owner fills it in: add "owner" to changeableBy, or leave registration out',
    ],
    [
      entry.visibleTo?.includes('owner') === false && (entry.changeableBy ?? ['owner']).includes('owner'),
      'can be changed by its owner and not be seen: take "owner" out of changeableBy',
    ],
  ];
  return rules.flatMap(([broken, sentence]) => (broken ? [say(sentence)] : []));
}

function fieldOf(entry: Entry): ProfileField {
  const standard = standardFields.find(({ name }) => name === entry.name);
  const visibleTo = entry.visibleTo ?? standard?.visibleTo ?? ['owner', 'admin'];
  const changeableBy = entry.changeableBy ?? standard?.changeableBy ?? ['owner', 'admin'];
  const said = {
    visibleTo,
    changeableBy,
    registration: entry.registration ?? standard?.registration ?? 'no',
  };
  if (standard !== undefined) return { ...standard, ...said };
  const kind = entry.type ?? 'text';
  return {
    name: entry.name,
    kind,
    label: entry.label ?? {},
    maximumLength: entry.maximumLength ?? (kind === 'url' ? 2048 : 200),
    choices: entry.choices ?? [],
    autocomplete: 'off',
    ...said,
    ...(entry.claim && { claim: entry.claim }),
  };
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `fields.2.type` as people count: field 3, type. */
function placeOf(path: readonly PropertyKey[]): string {
  const [first, at, ...rest] = path.map(String);
  if (first === undefined) return 'is not a JSON object with "fields"';
  return at === undefined ? first : [`field ${Number(at) + 1}`, ...rest].join(', ');
}
