// Where the link in the mail leads by which an account is kept that was to be deleted.
import { z } from 'zod';
import { type Page, type PageInput, type PageResult, page } from '../platform/http/page.ts';
import { type Deletion, KEEP_PATH } from './deletion.ts';

const NAME = 'keep-account';
const CARRIED_SECONDS = 30 * 60;

type Input = Pick<PageInput<unknown, unknown, unknown>, 't' | 'carried'>;

export function deletionPages({ deletion }: { deletion: Deletion }): Page[] {
  const show = (state: 'ask' | 'kept' | 'over', { t }: Input): PageResult => ({
    kind: 'view',
    view: 'deletion/keep',
    title: t(`deletion.${state}.heading`),
    status: state === 'over' ? 410 : 200,
    model: { state, action: KEEP_PATH },
  });
  return [
    page({
      method: 'GET',
      path: KEEP_PATH,
      limit: 'sign-in',
      query: z.object({ token: z.string().min(1).max(120).optional().catch('') }),
      // The secret leaves the address with the first answer, so that no history and no log keeps it.
      async run(input) {
        const { token } = input.query;
        if (token !== undefined) {
          const carry = [{ name: NAME, value: token, seconds: CARRIED_SECONDS }];
          return { kind: 'redirect', to: KEEP_PATH, carry };
        }
        const account = await deletion.peek(input.carried(NAME) ?? '');
        return show(account === undefined ? 'over' : 'ask', input);
      },
    }),
    page({
      method: 'POST',
      path: KEEP_PATH,
      limit: 'sign-in',
      async run(input) {
        return show((await deletion.keepByLink(input.carried(NAME) ?? '')) ? 'kept' : 'over', input);
      },
    }),
    page({
      method: 'GET',
      path: `${KEEP_PATH}/begun`,
      limit: 'page',
      run: ({ t }) => ({
        kind: 'view',
        view: 'deletion/begun',
        title: t('deletion.begun.heading'),
        model: { days: deletion.graceDays },
      }),
    }),
  ];
}
