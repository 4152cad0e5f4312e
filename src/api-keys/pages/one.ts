// One key: all that it may do and did, its name, its rotation, and the ways to stop it for a while or for good.
import { z } from 'zod';
import { AppError } from '../../platform/errors.ts';
import { accountPage, type Page, type PageResult, type Person } from '../../platform/http/page.ts';
import type { ShownKey } from '../schema.ts';
import { stateOf } from '../schema.ts';
import { KEYS, type KeyInput, type KeyPageDeps, keyOf, keyView, mistakesIn, pathOf } from './frame.ts';
import { treeOf } from './list.ts';
import { budgetMeters, dayBars } from './used.ts';
import { allowedBy, badgeOf, beginningOf, summaryOf, type Telling } from './words.ts';

const APIS = 200;
const path = `${KEYS}/:id`;
const Params = z.object({ id: z.string().max(64) });
const Form = z.object({ name: z.string().max(1000) });

export function onePages(deps: KeyPageDeps): Page[] {
  return [...lookingPages(deps), ...statusPages(deps), ...endPages(deps)];
}

function lookingPages(deps: KeyPageDeps): Page[] {
  return [
    accountPage({
      method: 'GET',
      path,
      limit: 'page',
      params: Params,
      run: (input) => show(input, input.params.id, deps),
    }),
    accountPage({
      method: 'POST',
      path,
      limit: 'page',
      params: Params,
      form: Form,
      async run(input) {
        const { person, params, typed, t } = input;
        const { key, as } = await keyOf(person, params.id, 'own-api-keys:update', deps);
        try {
          await deps.apiKeys.change(key.id, { name: typed.name ?? '' }, as);
        } catch (error) {
          const mistakes = error instanceof AppError ? mistakesIn(error) : undefined;
          const mistake = mistakes?.name ?? mistakes?.form;
          if (mistake === undefined) throw error;
          return show(input, key.id, deps, { name: typed.name ?? '', error: t(mistake) });
        }
        return { kind: 'redirect', to: `${pathOf(key)}?done=saved` };
      },
    }),
  ];
}

/** Whoever lets a key work again proves who they are; to stop one is never made hard. */
function statusPages(deps: KeyPageDeps): Page[] {
  const act = (name: 'disable' | 'enable', done: string, more: { sensitive?: true }) =>
    accountPage({
      method: 'POST',
      path: `${path}/${name}`,
      limit: 'page',
      ...more,
      params: Params,
      async run({ person, params }) {
        const { key, as } = await keyOf(person, params.id, 'own-api-keys:update', deps);
        await deps.apiKeys[name](key.id, as);
        return { kind: 'redirect', to: `${pathOf(key)}?done=${done}` };
      },
    });
  return [act('disable', 'key-disabled', {}), act('enable', 'key-enabled', { sensitive: true })];
}

function endPages(deps: KeyPageDeps): Page[] {
  const revocation = `${path}/revoke`;
  return [
    accountPage({
      method: 'GET',
      path: revocation,
      limit: 'page',
      params: Params,
      async run({ person, params, t }) {
        const { key, as } = await keyOf(person, params.id, 'own-api-keys:delete', deps);
        const family = await deps.apiKeys.familyOf(key.id, as);
        const below = family.filter((one) => one.id !== key.id && one.revokedAt === null);
        return keyView('revoke', t('keys.revoke.title'), {
          name: key.name,
          below: below.length,
          action: `${pathOf(key)}/revoke`,
          cancel: pathOf(key),
        });
      },
    }),
    accountPage({
      method: 'POST',
      path: revocation,
      limit: 'page',
      params: Params,
      async run({ person, params }) {
        const { key, as } = await keyOf(person, params.id, 'own-api-keys:delete', deps);
        await deps.apiKeys.revoke(key.id, null, as);
        return { kind: 'redirect', to: `${KEYS}?done=key-revoked` };
      },
    }),
  ];
}

async function show(
  input: KeyInput & { person: Person },
  id: string,
  deps: KeyPageDeps,
  wrong?: { name: string; error: string },
): Promise<PageResult> {
  const { key, as } = await keyOf(input.person, id, 'own-api-keys:read', deps);
  const [family, apis, used, budgets, place] = await Promise.all([
    deps.apiKeys.familyOf(key.id, as),
    deps.apis.list({ limit: APIS, cursor: null }),
    dayBars(key.id, deps, input),
    deps.budgets.state([{ kind: 'api-key', id: key.id }]),
    key.organizationId === null ? undefined : deps.organizations.known(key.organizationId),
  ]);
  const now = deps.clock.now();
  const telling = { ...input, apis: apis.items, now };
  const state = stateOf(key, now);
  const isOver = state === 'revoked' || state === 'expired';
  const below = family.filter((one) => one.id !== key.id);
  const model = {
    name: key.name,
    path: pathOf(key),
    beginning: beginningOf(key),
    badge: badgeOf(key, telling),
    reason: key.active || isOver || state === 'disabled' ? null : reasonOf(key, input.t),
    parent: await parentOf(key, input.person, deps),
    may: allowedBy(key, telling),
    facts: factsOf(key, place?.name, telling),
    used,
    meters: budgetMeters(budgets, input),
    below: treeOf(below.map((one) => ({ key: one, entry: summaryOf(one, telling) }))),
    mayHaveBelow: key.active && key.depth < deps.config.apiKeys.subKeyDepth,
    isOver,
    isDisabled: state === 'disabled',
    field: wrong?.name ?? key.name,
    fieldErrors: { name: wrong?.error ?? null },
  };
  return keyView('key', key.name, model, wrong === undefined ? 200 : 400);
}

async function parentOf({ parentId }: ShownKey, person: Person, deps: KeyPageDeps) {
  if (parentId === null) return null;
  const { key } = await keyOf(person, parentId, 'own-api-keys:read', deps);
  return { name: key.name, href: pathOf(key) };
}

function reasonOf({ inactiveReason }: ShownKey, t: KeyInput['t']): string {
  return t(inactiveReason === 'ancestor_inactive' ? 'keys.reason.above' : 'keys.reason.owner');
}

function factsOf(key: ShownKey, organization: string | undefined, telling: Telling) {
  const { t, dates, now } = telling;
  const ends = key.effective.expiresAt;
  const current = key.secrets.filter(({ retiresAt }) => retiresAt === null || retiresAt > now);
  const retiring = current.filter(({ retiresAt }) => retiresAt !== null);
  return [
    { label: t('keys.fact.begins'), text: beginningOf(key), mono: true },
    ...(organization === undefined ? [] : [{ label: t('keys.fact.place'), text: organization }]),
    { label: t('keys.fact.created'), text: dates.day(key.createdAt) },
    {
      label: t('keys.fact.used'),
      text: key.lastUsedAt === null ? t('keys.fact.never') : dates.day(key.lastUsedAt),
    },
    { label: t('keys.fact.ends'), text: ends === null ? t('keys.fact.endless') : dates.day(ends) },
    {
      label: t('keys.fact.addresses'),
      text: key.allowedAddresses?.join(', ') ?? t('keys.fact.addresses.any'),
    },
    ...retiring.map(({ retiresAt }) => ({
      label: t('keys.fact.retiring'),
      text: t('keys.fact.retiring.until', { day: dates.moment(retiresAt ?? now) }),
    })),
  ];
}
