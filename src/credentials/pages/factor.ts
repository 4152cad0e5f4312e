// One second factor: its name, and its removal, which asks first.
import { z } from 'zod';
import type { AccountId } from '../../lib/ids.ts';
import { AppError, failure } from '../../platform/errors.ts';
import { accountPage, type Page, type PageResult } from '../../platform/http/page.ts';
import type { Translate } from '../../platform/i18n.ts';
import type { Factor } from '../schema.ts';
import { byThemselves, SECURITY, type SecurityPageDeps, securityView, sentenceOf } from './frame.ts';
import { kindIn } from './overview.ts';

const Params = z.object({ id: z.string().max(64) });
const Form = z.object({ name: z.string().max(240) });

/** The page that asks says why, and what to do first. */
const KEPT: readonly string[] = ['factor_needed', 'passkey_needed'];

export function factorPages(deps: SecurityPageDeps): Page[] {
  const { factors } = deps.credentials;
  const path = `${SECURITY}/factors/:id`;
  const removal = `${path}/remove`;

  async function found(accountId: AccountId, id: string): Promise<{ factor: Factor; isLast: boolean }> {
    const list = await factors.list(accountId);
    const factor = list.find((one) => one.id === id);
    if (factor === undefined) throw failure('factor_not_found');
    return { factor, isLast: list.every((one) => one.id === id || one.disabledAt !== null) };
  }

  async function keptBecause(accountId: AccountId, id: string): Promise<'onlyWayIn' | 'needed' | null> {
    if (await factors.isOnlyWayIn(accountId, id)) return 'onlyWayIn';
    return (await factors.isKept(accountId, id)) ? 'needed' : null;
  }

  async function showName(
    { accountId, id, t }: { accountId: AccountId; id: string; t: Translate },
    typed?: { name: string; error: string; status: number },
  ): Promise<PageResult> {
    const { factor } = await found(accountId, id);
    const model = {
      action: `${SECURITY}/factors/${id}`,
      cancel: SECURITY,
      kind: kindIn(t, factor),
      name: typed?.name ?? factor.name,
      fieldErrors: { name: typed?.error ?? null },
    };
    return securityView('rename', 'security.rename.title', model, { status: typed?.status ?? 200 });
  }

  return [
    accountPage({
      method: 'GET',
      path,
      limit: 'page',
      params: Params,
      run: ({ person: { accountId }, params: { id }, t }) => showName({ accountId, id, t }),
    }),
    accountPage({
      method: 'POST',
      path,
      limit: 'page',
      sensitive: true,
      params: Params,
      form: Form,
      async run({ person, params: { id }, form, typed, t }) {
        const { accountId } = person;
        try {
          await factors.rename(accountId, id, form?.name ?? '', byThemselves(person));
        } catch (error) {
          const { code, status } = sentenceOf(error, t);
          if (code !== 'request_invalid') throw error;
          const again = { name: typed.name ?? '', error: t('security.name.error'), status };
          return showName({ accountId, id, t }, again);
        }
        return { kind: 'redirect', to: `${SECURITY}?done=saved` };
      },
    }),

    accountPage({
      method: 'GET',
      path: removal,
      limit: 'page',
      sensitive: true,
      params: Params,
      async run({ person: { accountId }, params: { id }, t }) {
        const { factor, isLast } = await found(accountId, id);
        return securityView('remove', 'security.remove.title', {
          action: `${SECURITY}/factors/${id}/remove`,
          cancel: SECURITY,
          name: factor.name,
          kind: kindIn(t, factor),
          isLast,
          kept: await keptBecause(accountId, id),
        });
      },
    }),
    accountPage({
      method: 'POST',
      path: removal,
      limit: 'page',
      sensitive: true,
      params: Params,
      async run({ person, params: { id } }) {
        const { accountId } = person;
        try {
          await factors.remove(accountId, id, byThemselves(person));
        } catch (error) {
          if (!(error instanceof AppError && KEPT.includes(error.code))) throw error;
          return { kind: 'redirect', to: `${SECURITY}/factors/${id}/remove` };
        }
        return { kind: 'redirect', to: `${SECURITY}?done=factor-removed` };
      },
    }),
  ];
}
