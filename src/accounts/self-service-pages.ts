// The profile page: what is known about a person, for them to see and to change.
import { z } from 'zod';
import {
  accountPage,
  type Page,
  type PageInput,
  type PageResult,
  type Person,
} from '../platform/http/page.ts';
import type { Account, Accounts, Profile, ProfileField } from './accounts.ts';
import { changeOf, mistakesIn, shownFields, typedFields } from './profile-form.ts';
import { usernamePages } from './username-page.ts';

export interface ProfilePageDeps {
  readonly accounts: Pick<Accounts, 'find' | 'change' | 'profile'>;
  readonly accountOf: (person: Person) => Account;
}

type Input = Pick<PageInput<unknown, unknown, unknown>, 't' | 'locale'> & { readonly person: Person };

interface Shown {
  typed?: Readonly<Record<string, string>>;
  /** Field → message key. */
  errors?: Readonly<Record<string, string>>;
  status?: number;
}

const PATH = '/account/profile';
const Form = z.record(z.string(), z.string());

export function profilePages({ accounts, accountOf }: ProfilePageDeps): Page[] {
  const { profile } = accounts;

  async function show(input: Input, shown: Shown = {}): Promise<PageResult> {
    const account = accountOf(input.person);
    const { typed, errors = {} } = shown;
    const values = profile.valuesOf(account, 'owner');
    const groups = groupsOf(profile).map(({ name, fields }) => ({
      name,
      fields: shownFields(fields, { typed, values, errors }, input),
    }));
    const said = groups.flatMap(({ fields }) => fields.map(({ name, error }) => [name, error]));
    return {
      kind: 'view',
      view: 'self-service/profile',
      title: input.t('account.profile.title'),
      nav: 'profile',
      status: shown.status ?? 200,
      model: {
        groups,
        email: account.email,
        phone: account.phoneNumber,
        username: account.username,
        fieldErrors: Object.fromEntries(said),
      },
    };
  }

  async function save(input: Input, typed: Readonly<Record<string, string>>): Promise<PageResult> {
    const fields = changeable(profile);
    const checked = profile.check(typedFields(fields, typed), 'owner');
    const errors = mistakesIn(fields, checked);
    if (Object.keys(errors).length > 0) return show(input, { typed, errors, status: 400 });
    const { accountId } = input.person;
    await accounts.change(accountId, changeOf(fields, checked.values), { kind: 'account', id: accountId });
    return { kind: 'redirect', to: `${PATH}?done=saved` };
  }

  return [
    accountPage({ method: 'GET', path: PATH, limit: 'page', run: (input) => show(input) }),
    accountPage({
      method: 'POST',
      path: PATH,
      limit: 'page',
      form: Form,
      run: (input) => save(input, input.typed),
    }),
    ...usernamePages({ accounts }),
  ];
}

/** What its owner may change here; language and time zone are chosen with the look of the pages. */
const changeable = (profile: Profile): ProfileField[] =>
  profile.fields.filter(
    ({ name, changeableBy }) => changeableBy.includes('owner') && !['locale', 'zoneinfo'].includes(name),
  );

function groupsOf(profile: Profile): { name: string; fields: ProfileField[] }[] {
  const groupOf = ({ claim, label }: ProfileField) =>
    label !== undefined ? 'more' : claim?.scope === 'address' ? 'address' : 'about';
  const grouped = Map.groupBy(changeable(profile), groupOf);
  return (['about', 'address', 'more'] as const).flatMap((name) => {
    const fields = grouped.get(name);
    return fields === undefined ? [] : [{ name, fields }];
  });
}
