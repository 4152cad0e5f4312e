// How much keys were used: their requests of the last days, and what is left of their budgets, as bars with words beside.
import type { BudgetState } from '../../budgets/budgets.ts';
import type { Translate } from '../../platform/i18n.ts';
import type { KeyInput, KeyPageDeps } from './frame.ts';

const DAY_MILLISECONDS = 86_400_000;
const DAYS = 30;
const MOST_ROWS = 1000;

export type Telling = Pick<KeyInput, 't' | 'locale' | 'dates'>;

const daysBefore = (now: Date, days: number) => new Date(now.getTime() - days * DAY_MILLISECONDS);

/** Of many keys in one statement: the last 7 and the last 30 days, in words. */
export async function requestsInWords(
  ids: readonly string[],
  { usage, clock }: Pick<KeyPageDeps, 'usage' | 'clock'>,
  { t, locale }: Telling,
): Promise<(id: string) => string> {
  const now = clock.now();
  const counted = await usage.requestsSince(ids, [daysBefore(now, 7), daysBefore(now, DAYS)]);
  const number = new Intl.NumberFormat(locale);
  return (id) => {
    const [week = 0n, month = 0n] = counted.get(id) ?? [];
    return t('keys.requests', { week: number.format(week), month: number.format(month) });
  };
}

export interface DayBar {
  readonly day: string;
  readonly count: string;
  /** Of a hundred, where the busiest day has all. */
  readonly height: number;
}

/** The last thirty days of one key, the oldest first; days begin at midnight in UTC. */
export async function dayBars(
  id: string,
  { usage, clock }: Pick<KeyPageDeps, 'usage' | 'clock'>,
  { locale, dates }: Telling,
): Promise<{ bars: DayBar[]; total: string; week: string; most: DayBar | undefined }> {
  const today = Math.floor(clock.now().getTime() / DAY_MILLISECONDS);
  const from = new Date((today - DAYS + 1) * DAY_MILLISECONDS);
  const filter = {
    subjectKind: 'api-key',
    subjectIds: [id],
    meter: 'requests',
    from,
    groupBy: 'day',
  } as const;
  const { items } = await usage.report(filter, { limit: MOST_ROWS, cursor: null });
  const counts = Array.from({ length: DAYS }, () => 0n);
  for (const { period, amount } of items) {
    const at = Math.floor((period.getTime() - from.getTime()) / DAY_MILLISECONDS);
    counts[at] = (counts[at] ?? 0n) + amount;
  }
  const number = new Intl.NumberFormat(locale);
  const highest = counts.reduce((most, count) => (count > most ? count : most), 0n);
  const bars = counts.map((count, at) => ({
    day: dates.day(new Date(from.getTime() + at * DAY_MILLISECONDS)),
    count: number.format(count),
    height: highest === 0n ? 0 : Number((count * 1000n) / highest) / 10,
  }));
  const sum = (list: readonly bigint[]) => number.format(list.reduce((total, count) => total + count, 0n));
  const most = highest === 0n ? undefined : bars[counts.indexOf(highest)];
  return { bars, total: sum(counts), week: sum(counts.slice(-7)), most };
}

const MILLIONTHS = 1_000_000;

/** As partials/meter takes them. */
export function budgetMeters(states: readonly BudgetState[], { t, locale, dates }: Telling) {
  return states.flatMap((state) => {
    const limit = state.limit ?? state.softLimit;
    if (limit === null) return [];
    const number = new Intl.NumberFormat(locale, state.meter === 'money' ? { minimumFractionDigits: 2 } : {});
    const amount = (value: bigint) =>
      number.format(state.meter === 'money' ? Number(value) / MILLIONTHS : value);
    const said = t('keys.budget.used', { used: amount(state.used), limit: amount(limit) });
    const anew = state.resetAt && t('keys.budget.resets', { day: dates.day(state.resetAt) });
    return [
      {
        id: `budget-${state.budgetId}`,
        label: t(`keys.window.${state.window}`, { meter: meterName(state.meter, t) }),
        used: Number(state.used),
        // A bar over nothing is full.
        limit: Math.max(Number(limit), 1),
        text: [said, ...(isUsedUp(state) ? [t('keys.budget.usedUp')] : []), ...(anew ? [anew] : [])].join(
          ' · ',
        ),
      },
    ];
  });
}

const isUsedUp = ({ remaining }: BudgetState): boolean => remaining !== null && remaining <= 0n;

function meterName(name: string, t: Translate): string {
  const known = ['requests', 'tokens', 'money'].includes(name);
  return known ? t(`keys.meter.${name}`) : name;
}
