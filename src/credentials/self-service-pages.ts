// /account/security: where people look after the ways in which they prove who they are.
import type { Page } from '../platform/http/page.ts';
import { behindMoreThanMailbox } from './may-set-up.ts';
import { authenticatorPages } from './pages/authenticator.ts';
import { factorPages } from './pages/factor.ts';
import type { SecurityPageDeps } from './pages/frame.ts';
import { overviewPages } from './pages/overview.ts';
import { passkeyPages } from './pages/passkeys.ts';
import { recoveryCodePages } from './pages/recovery-codes.ts';
import { sentCodePages } from './pages/sent-codes.ts';

export function securityPages(deps: SecurityPageDeps): Page[] {
  return [
    ...overviewPages(deps),
    ...[...authenticatorPages(deps), ...passkeyPages(deps), ...sentCodePages(deps)].map(
      behindMoreThanMailbox,
    ),
    ...factorPages(deps),
    ...recoveryCodePages(deps),
  ];
}
