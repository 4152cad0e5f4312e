// The standard fields of a profile: the claims of OpenID Connect Core §5.1 that are about a person and need no proof.
import type { ProfileField } from './profile-kinds.ts';

const NAME_LENGTH = 200;
const TEXT_LENGTH = 300;
const ADDRESS_LENGTH = 2048;

type Standard = Pick<ProfileField, 'name' | 'autocomplete'> & Partial<ProfileField>;

function standard(field: Standard): ProfileField {
  return {
    kind: 'text',
    maximumLength: NAME_LENGTH,
    choices: [],
    registration: 'no',
    visibleTo: ['owner', 'admin'],
    changeableBy: ['owner', 'admin'],
    claim: { scope: 'profile', name: field.name },
    ...field,
  };
}

const address = (member: string, autocomplete: string): ProfileField =>
  standard({
    name: member,
    autocomplete,
    maximumLength: TEXT_LENGTH,
    claim: { scope: 'address', name: 'address', member },
  });

export const standardFields: readonly ProfileField[] = [
  standard({ name: 'name', autocomplete: 'name', column: 'name', registration: 'optional' }),
  standard({ name: 'given_name', autocomplete: 'given-name', column: 'givenName' }),
  standard({ name: 'middle_name', autocomplete: 'additional-name' }),
  standard({ name: 'family_name', autocomplete: 'family-name', column: 'familyName' }),
  standard({ name: 'nickname', autocomplete: 'nickname' }),
  standard({
    name: 'picture',
    kind: 'picture',
    autocomplete: 'photo',
    column: 'picture',
    maximumLength: ADDRESS_LENGTH,
  }),
  standard({ name: 'profile', kind: 'url', autocomplete: 'off', maximumLength: ADDRESS_LENGTH }),
  standard({ name: 'website', kind: 'url', autocomplete: 'url', maximumLength: ADDRESS_LENGTH }),
  standard({ name: 'gender', autocomplete: 'sex', maximumLength: 60 }),
  standard({ name: 'birthdate', kind: 'date', autocomplete: 'bday', maximumLength: 10 }),
  standard({
    name: 'zoneinfo',
    kind: 'zoneinfo',
    autocomplete: 'off',
    column: 'zoneinfo',
    maximumLength: 64,
  }),
  standard({ name: 'locale', kind: 'locale', autocomplete: 'language', column: 'locale', maximumLength: 35 }),
  address('street_address', 'street-address'),
  address('postal_code', 'postal-code'),
  address('locality', 'address-level2'),
  address('region', 'address-level1'),
  address('country', 'country-name'),
];
