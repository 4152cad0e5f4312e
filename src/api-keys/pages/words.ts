// A key in words: its beginning, its state, what it may do where, and when what happened to it.
import type { Api } from '../../apis/apis.ts';
import { compilePermissions } from '../../lib/permission.ts';
import type { Translate } from '../../platform/i18n.ts';
import type { KnownKey, ShownKey } from '../schema.ts';
import { stateOf } from '../schema.ts';
import { type KeyInput, pathOf } from './frame.ts';

/** So many days before its end it is said that a key ends. */
export const SOON_DAYS = 14;
const DAY_MILLISECONDS = 86_400_000;

export interface Telling extends KeyInput {
  readonly apis: readonly Api[];
  readonly now: Date;
}

/** Its secret begins with it; nothing of the secret itself is known to anybody any more. */
export const beginningOf = ({ id }: Pick<KnownKey, 'id'>): string => `gth_${id.slice('key_'.length)}_`;

export function badgeOf(key: ShownKey, { t, now }: Pick<Telling, 't' | 'now'>) {
  const state = stateOf(key, now);
  if (state === 'revoked') return { kind: 'plain', text: t('keys.state.revoked') };
  if (state === 'expired') return { kind: 'plain', text: t('keys.state.expired') };
  if (state === 'disabled') return { kind: 'warn', text: t('keys.state.disabled') };
  if (!key.active) return { kind: 'bad', text: t('keys.state.inactive') };
  if (endsSoon(key, now)) return { kind: 'warn', text: t('keys.state.ending') };
  return { kind: 'good', text: t('keys.state.active') };
}

export function endsSoon({ effective: { expiresAt } }: Pick<ShownKey, 'effective'>, now: Date): boolean {
  return expiresAt !== null && expiresAt.getTime() - now.getTime() <= SOON_DAYS * DAY_MILLISECONDS;
}

/** By the service, each with sentences; what is of no service, or of many, stands last. */
export function allowedBy(
  { permissions, apis: audiences }: Pick<KnownKey, 'permissions' | 'apis'>,
  { t, apis }: Pick<Telling, 't' | 'apis'>,
): { name: string | null; sentences: string[] }[] {
  const fitting = apis.filter(({ audience }) => audiences === null || audiences.includes(audience));
  const homes = permissions.map((permission) => ({ permission, api: homeOf(permission, fitting) }));
  const names = [...fitting, undefined].map((api) => ({
    name: api?.name ?? null,
    sentences: homes
      .filter((home) => home.api?.id === api?.id)
      .map(({ permission }) => sentenceOf(permission, api, t)),
  }));
  return names.filter(({ sentences }) => sentences.length > 0);
}

function homeOf(permission: string, apis: readonly Api[]): Api | undefined {
  const has = (api: Api) => api.permissions.some(({ name }) => name === permission);
  return apis.find(has) ?? apis.find((api) => wider(permission, api) !== undefined);
}

function wider(permission: string, api: Api) {
  return api.permissions.find(({ name }) => compilePermissions([name]).covers(permission));
}

export function sentenceOf(permission: string, api: Api | undefined, t: Translate): string {
  if (permission === '*:*' || permission === '*:*:*') return t('keys.permission.all');
  const own = api?.permissions.find(({ name }) => name === permission) ?? (api && wider(permission, api));
  return own?.sentence ?? t('consent.scope.other', { scope: permission });
}

export function endLine({ effective: { expiresAt } }: ShownKey, { t, dates }: Pick<Telling, 't' | 'dates'>) {
  return expiresAt === null ? t('keys.ends.never') : t('keys.ends', { day: dates.day(expiresAt) });
}

export function usedLine({ lastUsedAt }: ShownKey, { t, dates }: Pick<Telling, 't' | 'dates'>): string {
  return lastUsedAt === null ? t('keys.used.never') : t('keys.used', { day: dates.day(lastUsedAt) });
}

/** What of a key stands in a list: enough to know it again and to see whether it is well. */
export function summaryOf(key: ShownKey, telling: Telling) {
  const { t, dates, now } = telling;
  const may = allowedBy(key, telling).flatMap(({ name, sentences }) => [
    `${name === null ? '' : `${name}: `}${sentences.slice(0, SHOWN).join(' ')}${more(sentences.length, t)}`,
  ]);
  const created = t('keys.created', { day: dates.day(key.createdAt) });
  const isOver = ['revoked', 'expired'].includes(stateOf(key, now));
  return {
    id: key.id,
    name: key.name,
    href: pathOf(key),
    beginning: beginningOf(key),
    badge: badgeOf(key, telling),
    may: may.length === 0 ? [t('keys.may.nothing')] : may,
    lines: [[created, usedLine(key, telling), ...(isOver ? [] : [endLine(key, telling)])].join(' · ')],
  };
}

const SHOWN = 3;

function more(count: number, t: Translate): string {
  return count > SHOWN ? ` ${t('keys.may.more', { count: count - SHOWN })}` : '';
}
