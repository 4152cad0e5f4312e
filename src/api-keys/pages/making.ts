// A new key, or a sub-key of one: a form of nothing but what the person, or the key above, holds; and the key, shown once.
import { z } from 'zod';
import { compilePermissions } from '../../lib/permission.ts';
import { AppError, failure } from '../../platform/errors.ts';
import { accountPage, type Page, type PageResult } from '../../platform/http/page.ts';
import type { Authority, NewApiKey, ShownKey } from '../api-keys.ts';
import { type ChoiceGroup, choicesIn, chosen, endOf, livesWithin } from './choices.ts';
import {
  asThemselves,
  heldBy,
  KEYS,
  type KeyInput,
  type KeyPageDeps,
  keyOf,
  keyView,
  mistakesIn,
  pathOf,
} from './frame.ts';
import { makeOnce, onceToken } from './once.ts';
import { sentenceOf } from './words.ts';

const PATH = `${KEYS}/new`;
const APIS = 200;
const id = z.string().max(64).optional().catch(undefined);
/** `in`: the organization in which it acts. */
const Query = z.object({ parent: id, in: id });
const Form = z.record(z.string(), z.string());

/** So many permissions are shown without being asked for. */
const SHORT = 8;

type Typed = Readonly<Record<string, string>>;

/** For whom, and out of what. */
interface Making {
  readonly as: Authority;
  readonly parent: ShownKey | undefined;
  readonly groups: readonly ChoiceGroup[];
  readonly lives: { readonly values: readonly string[]; readonly usual: string };
  readonly parentEnds: Date | null;
  readonly organizationId: string | null;
  readonly action: string;
}

export function makingPages(deps: KeyPageDeps): Page[] {
  return [
    accountPage({
      method: 'GET',
      path: PATH,
      limit: 'page',
      // As the post is: whoever has to prove anew who they are does so before they fill in a form.
      sensitive: true,
      query: Query,
      run: async (input) => show(input, await begin(input, deps), deps),
    }),
    accountPage({
      method: 'POST',
      path: PATH,
      limit: 'page',
      sensitive: true,
      query: Query,
      form: Form,
      async run(input) {
        const { typed } = input;
        const making = await begin(input, deps);
        const read = readForm(typed, making, deps.clock.now());
        const wanted = read.input;
        if (wanted === undefined) return show(input, making, deps, { typed, mistakes: read.mistakes });
        try {
          const { person } = input;
          const head = { route: `POST ${making.action}`, title: 'keys.issued.title', next: KEYS };
          return await makeOnce(deps, { ...head, person, typed, as: making.as }, async () => {
            const { key, secret } = await deps.apiKeys.create(wanted, making.as);
            return { name: key.name, secret, next: pathOf(key) };
          });
        } catch (error) {
          const mistakes = error instanceof AppError ? mistakesIn(error) : undefined;
          if (mistakes === undefined) throw error;
          return show(input, making, deps, { typed, mistakes });
        }
      },
    }),
  ];
}

async function begin(
  { person, query }: KeyInput & { query: z.output<typeof Query> },
  deps: KeyPageDeps,
): Promise<Making> {
  const apis = await deps.apis.list({ limit: APIS, cursor: null });
  const now = deps.clock.now();
  if (query.parent !== undefined) {
    const { key: parent, as } = await keyOf(person, query.parent, 'own-api-keys:create', deps);
    if (!parent.active) throw failure('api_key_ended');
    const { permissions, apis: only, expiresAt: parentEnds } = parent.effective;
    return {
      as,
      parent,
      groups: choicesIn(compilePermissions(permissions), apis.items, only),
      lives: livesWithin(deps.config.apiKeys, parentEnds, now),
      parentEnds,
      organizationId: parent.organizationId,
      action: `${PATH}?${new URLSearchParams({ parent: parent.id })}`,
    };
  }
  const organizationId = query.in ?? null;
  const held = await heldBy(person, deps, organizationId);
  // One that there is not, or where they are no member.
  if (held === undefined) throw failure('organization_not_found');
  return {
    as: await asThemselves(person, 'own-api-keys:create', deps, organizationId),
    parent: undefined,
    groups: choicesIn(held, apis.items, null),
    lives: livesWithin(deps.config.apiKeys, null, now),
    parentEnds: null,
    organizationId,
    action: organizationId === null ? PATH : `${PATH}?${new URLSearchParams({ in: organizationId })}`,
  };
}

interface Shown {
  readonly typed?: Typed;
  readonly mistakes?: Readonly<Record<string, string>>;
}

async function show(
  { person, t, dates }: KeyInput,
  making: Making,
  deps: KeyPageDeps,
  { typed = {}, mistakes = {} }: Shown = {},
): Promise<PageResult> {
  const { parent, groups, lives, parentEnds, organizationId, action } = making;
  const said = (name: string) => (mistakes[name] === undefined ? null : t(mistakes[name]));
  const picked = permissionsIn(typed);
  let count = 0;
  const places = parent === undefined ? await deps.organizations.membershipsOf(person.accountId) : [];
  const model = {
    action,
    once: onceToken(),
    cancel: parent === undefined ? KEYS : pathOf(parent),
    parent: parent === undefined ? null : parent.name,
    places:
      places.length === 0
        ? []
        : [
            { name: t('keys.place.own'), href: PATH, isHere: organizationId === null },
            ...places.map(({ organizationId: place, name }) => ({
              name,
              href: `${PATH}?${new URLSearchParams({ in: place })}`,
              isHere: organizationId === place,
            })),
          ],
    name: typed.name ?? '',
    addresses: typed.addresses ?? '',
    groups: groups.map(({ api, choices }) => ({
      name: api?.name ?? t('keys.permissions.other'),
      isOpen:
        groups.length === 1 ||
        (api?.system === false && choices.length <= SHORT) ||
        choices.some(({ value }) => picked.includes(value)),
      choices: choices.map(({ value, permission, sentence }) => {
        count += 1;
        return {
          name: `permission-${count}`,
          value,
          label: sentence ?? sentenceOf(permission, undefined, t),
          hint: permission,
          checked: picked.includes(value),
        };
      }),
    })),
    life: typed.life ?? lives.usual,
    lives: lives.values.map((value) => ({
      value,
      label: lifeInWords(value, t, parentEnds === null ? '' : dates.day(parentEnds)),
    })),
    error: said('form'),
    fieldErrors: {
      name: said('name'),
      permissions: said('permissions'),
      life: said('expiresAt'),
      addresses: said('allowedAddresses'),
    },
  };
  const title = t(parent === undefined ? 'keys.new.title' : 'keys.sub.title');
  return keyView('new', title, model, Object.keys(mistakes).length > 0 ? 400 : 200);
}

function lifeInWords(value: string, t: KeyInput['t'], day: string): string {
  if (value === 'never') return t('keys.life.never');
  return value === 'parent' ? t('keys.life.parent', { day }) : t('keys.life.days', { count: value });
}

const permissionsIn = (typed: Typed): string[] =>
  Object.entries(typed).flatMap(([name, value]) => (name.startsWith('permission-') ? [value] : []));

function readForm(
  typed: Typed,
  { groups, lives, parent, parentEnds, organizationId }: Making,
  now: Date,
): { input?: NewApiKey; mistakes: Record<string, string> } {
  const { name = '', life = lives.usual } = typed;
  const { permissions, apis } = chosen(groups, permissionsIn(typed));
  const addresses = (typed.addresses ?? '').split(/[\s,;]+/).filter((text) => text !== '');
  const mistakes = {
    ...(name.trim() === '' && { name: 'field.error.required' }),
    ...(permissions.length === 0 && { permissions: 'keys.error.permissions' }),
    ...(!lives.values.includes(life) && { expiresAt: 'keys.error.expires' }),
  };
  if (Object.keys(mistakes).length > 0) return { mistakes };
  const place = parent === undefined ? { organizationId } : { parentId: parent.id };
  return {
    mistakes,
    input: {
      ...place,
      name,
      permissions,
      ...(apis && { apis }),
      ...(addresses.length > 0 && { allowedAddresses: [...new Set(addresses)] }),
      expiresAt: endOf(life, parentEnds, now),
    },
  };
}
