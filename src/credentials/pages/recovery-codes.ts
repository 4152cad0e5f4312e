// Recovery codes: how many are left, and a new set in place of the one so far.
import { accountPage, type Page } from '../../platform/http/page.ts';
import { byThemselves, SECURITY, type SecurityPageDeps, securityView, showCodes } from './frame.ts';

const PATH = `${SECURITY}/recovery-codes`;

export function recoveryCodePages({ credentials }: SecurityPageDeps): Page[] {
  const { factors } = credentials;
  return [
    accountPage({
      method: 'GET',
      path: PATH,
      limit: 'page',
      sensitive: true,
      async run({ person: { accountId } }) {
        // They stand in for a factor, and go with the last one.
        if ((await factors.list(accountId)).length === 0) return { kind: 'redirect', to: SECURITY };
        const left = await factors.recoveryCodes.left(accountId);
        return securityView('recovery-codes', 'security.codes.title', {
          action: PATH,
          cancel: SECURITY,
          left,
        });
      },
    }),
    accountPage({
      method: 'POST',
      path: PATH,
      limit: 'page',
      sensitive: true,
      async run({ person }) {
        const { accountId } = person;
        if ((await factors.list(accountId)).length === 0) return { kind: 'redirect', to: SECURITY };
        return showCodes(await factors.recoveryCodes.renew(accountId, byThemselves(person)), 'codes-renewed');
      },
    }),
  ];
}
