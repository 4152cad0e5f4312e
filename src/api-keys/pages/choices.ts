// What a new key can be given: permissions that its maker holds, by the service that they are of, and how long it may live. Pure.
import type { Api } from '../../apis/apis.ts';
import { compilePermissions, type PermissionSet } from '../../lib/permission.ts';
import type { KeySettings } from '../manage/bounds.ts';

/** A permission of an API; of none where it was given by a role and no API registered it. */
export interface Choice {
  /** What stands in the form. */
  readonly value: string;
  readonly permission: string;
  readonly audience: string | null;
  /** Undefined where nobody wrote one. */
  readonly sentence: string | undefined;
}

export interface ChoiceGroup {
  /** The API; undefined for what belongs to none. */
  readonly api: Pick<Api, 'name' | 'audience' | 'system'> | undefined;
  readonly choices: readonly Choice[];
}

/** `only`: the audiences that the key above is for; null: all. */
export function choicesIn(
  held: PermissionSet,
  apis: readonly Pick<Api, 'id' | 'name' | 'audience' | 'permissions' | 'system'>[],
  only: readonly string[] | null,
): ChoiceGroup[] {
  const ofApis = apis
    // What programs are mostly for comes before the management of this server.
    .toSorted((one, other) => Number(one.system) - Number(other.system))
    .filter(({ audience }) => only === null || only.includes(audience))
    .map((api) => ({
      api,
      choices: api.permissions
        .filter(({ name }) => held.covers(name))
        .map(({ name, sentence }) => ({
          value: `${api.id} ${name}`,
          permission: name,
          audience: api.audience,
          sentence,
        })),
    }));
  const offered = compilePermissions(ofApis.flatMap(({ choices }) => choices.map((one) => one.permission)));
  const others = held.texts
    .filter((text) => !offered.covers(text))
    .map((text) => ({ value: `- ${text}`, permission: text, audience: null, sentence: undefined }));
  return [...ofApis, { api: undefined, choices: others }].filter(({ choices }) => choices.length > 0);
}

/** A key is for the services that something was chosen of, and for no other. */
export function chosen(groups: readonly ChoiceGroup[], values: readonly string[]) {
  const picked = groups.flatMap(({ choices }) => choices.filter(({ value }) => values.includes(value)));
  const audiences = picked.flatMap(({ audience }) => (audience === null ? [] : [audience]));
  const isAnywhere = audiences.length < picked.length;
  return {
    permissions: [...new Set(picked.map(({ permission }) => permission))],
    apis: isAnywhere ? undefined : [...new Set(audiences)],
  };
}

const DAY_MILLISECONDS = 86_400_000;
const LIVES = [7, 30, 90, 180, 365];
const USUAL_DAYS = 90;

/** Days as text, `parent`: with the key above, or `never`. */
export function livesWithin(
  { maximumLifetimeDays: maximum }: Pick<KeySettings, 'maximumLifetimeDays'>,
  parentEnds: Date | null,
  now: Date,
): { values: string[]; usual: string } {
  const left =
    parentEnds === null
      ? Number.POSITIVE_INFINITY
      : (parentEnds.getTime() - now.getTime()) / DAY_MILLISECONDS;
  const longest = Math.min(maximum === 0 ? Number.POSITIVE_INFINITY : maximum, left);
  const days = LIVES.filter((life) => life <= longest).map(String);
  const isOpen = maximum === 0 && parentEnds === null;
  const last = isOpen ? ['never'] : parentEnds !== null && left === longest ? ['parent'] : [];
  const values = [...days, ...last];
  // Fewer days than any of these: all that there are.
  if (values.length === 0) values.push(String(Math.max(1, Math.floor(longest))));
  const usual = values.includes(String(USUAL_DAYS)) ? String(USUAL_DAYS) : (values.at(-1) ?? '');
  return { values, usual };
}

export function endOf(life: string, parentEnds: Date | null, now: Date): Date | null {
  if (life === 'never') return null;
  if (life === 'parent') return parentEnds;
  return new Date(now.getTime() + Number(life) * DAY_MILLISECONDS);
}

const HOUR = 3600;
const OVERLAPS = [0, HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR];

/** Seconds for which the secret before works on after a rotation. */
export function overlapsWithin({
  overlapSeconds,
  maximumOverlapSeconds,
}: Pick<KeySettings, 'overlapSeconds' | 'maximumOverlapSeconds'>): number[] {
  const all = [...new Set([...OVERLAPS, overlapSeconds])].filter((one) => one <= maximumOverlapSeconds);
  return all.sort((a, b) => a - b);
}
