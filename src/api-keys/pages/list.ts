// The list of one's keys: each with its sub-keys below it, what it may do, how much it was used, and what is left.
import { z } from 'zod';
import { accountPage, type Page } from '../../platform/http/page.ts';
import type { ShownKey } from '../schema.ts';
import { stateOf } from '../schema.ts';
import { asThemselves, heldBy, KEYS, type KeyPageDeps, keyView } from './frame.ts';
import { budgetMeters, requestsInWords } from './used.ts';
import { summaryOf } from './words.ts';

const PAGE = 50;
const APIS = 200;

export function listPages(deps: KeyPageDeps): Page[] {
  return [
    accountPage({
      method: 'GET',
      path: KEYS,
      limit: 'page',
      query: z.object({ cursor: z.string().max(200).optional().catch(undefined) }),
      async run(input) {
        const { person, query, t } = input;
        const as = await asThemselves(person, 'own-api-keys:read', deps);
        const [page, apis, held] = await Promise.all([
          deps.apiKeys.list({}, { limit: PAGE, cursor: query.cursor ?? null }, as),
          deps.apis.list({ limit: APIS, cursor: null }),
          heldBy(person, deps, null),
        ]);
        const keys = page.items;
        const account = { kind: 'account', id: person.accountId } as const;
        const [requests, budgets] = await Promise.all([
          requestsInWords(
            keys.map(({ id }) => id),
            deps,
            input,
          ),
          deps.budgets.state([account, ...keys.map(({ id }) => ({ kind: 'api-key', id }) as const)]),
        ]);
        const now = deps.clock.now();
        const telling = { ...input, apis: apis.items, now };
        const entry = (key: ShownKey) => ({
          ...summaryOf(key, telling),
          requests: requests(key.id),
          meters: budgetMeters(
            budgets.filter(({ scope }) => scope.id === key.id),
            input,
          ),
        });
        const isOver = (key: ShownKey) => ['revoked', 'expired'].includes(stateOf(key, now));
        return keyView('list', t('keys.title'), {
          working: treeOf(keys.filter((key) => !isOver(key)).map((key) => ({ key, entry: entry(key) }))),
          over: keys.filter(isOver).map(entry),
          own: budgetMeters(
            budgets.filter(({ scope }) => scope.kind === 'account'),
            input,
          ),
          newHref: held?.covers('own-api-keys:create') === true ? `${KEYS}/new` : null,
          first: query.cursor === undefined ? null : KEYS,
          next: page.nextCursor && `${KEYS}?${new URLSearchParams({ cursor: page.nextCursor })}`,
        });
      },
    }),
  ];
}

interface Node<Entry> {
  readonly entry: Entry;
  readonly below: readonly Node<Entry>[];
}

/** A key whose parent is not among them stands on its own. */
export function treeOf<Entry>(
  all: readonly { readonly key: Pick<ShownKey, 'id' | 'parentId'>; readonly entry: Entry }[],
): Node<Entry>[] {
  const ids = new Set<string>(all.map(({ key }) => key.id));
  const byParent = Map.groupBy(all, ({ key }): string =>
    key.parentId !== null && ids.has(key.parentId) ? key.parentId : '',
  );
  const nodes = (parent: string): Node<Entry>[] =>
    (byParent.get(parent) ?? []).map(({ key, entry }) => ({ entry, below: nodes(key.id) }));
  return nodes('');
}
