// The account pages: their frame, and what belongs to no other feature.
export { createAccountArea } from './area.ts';
export { ACCOUNT_CLIENT_ID, SIGNED_IN_PATH, signUpAt } from './sign-in.ts';
