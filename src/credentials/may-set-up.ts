// Who may set up a second factor on the account pages and over JSON; in a sign-in the policy of assurance says it.
import { isMoreThanMailbox, proofsIn } from '../lib/strength.ts';
import { failure } from '../platform/errors.ts';
import type { Page } from '../platform/http/page.ts';

export function refuseMailboxAlone({ amr }: { readonly amr: readonly string[] }): void {
  if (!isMoreThanMailbox(proofsIn(amr, 0))) throw failure('password_sign_in_needed');
}

/** The page for those alone who have proved more than that they read a mailbox. */
export function behindMoreThanMailbox(page: Page): Page {
  return {
    ...page,
    run(input) {
      refuseMailboxAlone(input.person ?? { amr: [] });
      return page.run(input);
    },
  };
}
