// The pages on which an account is made, an invitation is looked at, and a profile is changed.
import { longName, type Sample } from './sample.ts';

const client = { name: 'Planning', logoUri: null };
const common = {
  action: '/interaction/u1/register',
  signInHref: '/interaction/u1/login',
  cancelAction: '/interaction/u1/cancel',
  client,
  error: null,
  wait: '',
  fieldErrors: {},
};
const begin = {
  ...common,
  isOpen: true,
  mode: 'code',
  asksCode: true,
  organization: null,
  email: '',
  registrationCode: '',
};
const code = {
  ...common,
  email: 'ada@example.com',
  againAction: '/interaction/u1/register',
  otherHref: '/interaction/u1/register?other=1',
  left: 0,
};
const field = {
  name: 'field_name',
  label: 'Full name',
  kind: 'text',
  value: 'Ada Lovelace',
  error: null,
  hint: null,
  isRequired: true,
  autocomplete: 'name',
  maximumLength: 200,
  options: [],
};
const department = {
  ...field,
  name: 'field_department',
  label: 'Department',
  kind: 'choice',
  value: '',
  error: 'Please choose one of the values.',
  autocomplete: 'off',
  options: [
    { value: '', label: 'Please choose' },
    { value: 'sales', label: 'Sales' },
  ],
};
const consents = { ...field, name: 'field_news', label: 'Send me news', kind: 'boolean', value: 'true' };
const account = {
  ...common,
  email: 'ada@example.com',
  organization: null,
  fields: [field, department, consents],
  ownErrors: false,
  username: '',
  minimumLength: 15,
  termsUrl: 'https://example.com/terms',
  acceptsTerms: false,
};
const refused = {
  username: 'register.error.usernameTaken',
  password: 'error.password_common',
  terms: 'register.error.terms',
};
const invitation = { organization: longName, team: 'Pilots', email: 'ada@example.com' };
const landing = { isOpen: true, acceptHref: '/account/invitation' };
const own = {
  email: 'ada@example.com',
  acceptAction: '/account/invitation/accept',
  declineAction: '/account/invitation/decline',
  switchHref: '/account/sign-in?switch=1',
};
const profile = {
  groups: [
    { name: 'about', fields: [field] },
    { name: 'more', fields: [department, consents] },
  ],
  email: 'ada@example.com',
  phone: null,
  username: 'ada',
  fieldErrors: {},
};

const register = { view: 'interaction/register', titleKey: 'register.title' };
const sent = { view: 'interaction/register-code', titleKey: 'register.title' };
const last = { view: 'interaction/register-account', titleKey: 'register.title' };
const terms = { view: 'interaction/terms', titleKey: 'terms.title' };
const completing = { view: 'interaction/complete-profile', titleKey: 'completeProfile.title' };
const chosen = { view: 'interaction/register-passkey', titleKey: 'register.title' };
const verify = { view: 'registration/verify-address', titleKey: 'verify.title' };
const invited = { view: 'registration/invitation', titleKey: 'invitation.title' };
const accept = { view: 'self-service/invitation', titleKey: 'invitation.title', nav: 'organizations' };
const mine = { view: 'self-service/profile', titleKey: 'account.profile.title', nav: 'profile' };
const choosing = { view: 'self-service/username', titleKey: 'account.username.title', nav: 'profile' };
const accepting = { action: '/interaction/u1/terms', cancelAction: '/interaction/u1/cancel', client };
const lacking = { action: '/interaction/u1/profile', cancelAction: '/interaction/u1/cancel', client };
const plain = { ...field, value: '', error: null };
const instead = {
  ...common,
  email: 'ada@example.com',
  options: { challenge: 'AAAA', user: { id: 'AAAA', name: 'ada@example.com', displayName: 'Ada' } },
  kept: [{ name: 'username', value: 'ada' }],
};

export const registrationSamples: readonly Sample[] = [
  { ...register, name: 'register', model: begin },
  {
    ...register,
    name: 'register-error',
    model: { ...begin, email: 'ada@example.com', fieldErrors: { registration_code: 'register.error.code' } },
  },
  { ...register, name: 'register-invited-only', model: { ...begin, isOpen: false, mode: 'invitation' } },
  { ...sent, name: 'register-code', model: code },
  {
    ...sent,
    name: 'register-code-wrong',
    model: { ...code, fieldErrors: { code: 'register.error.codeWrong' } },
  },
  { ...last, name: 'register-account', model: account },
  { ...last, name: 'register-account-errors', model: { ...account, fieldErrors: refused } },
  { ...chosen, name: 'register-passkey', model: instead },
  {
    ...chosen,
    name: 'register-passkey-refused',
    model: { ...instead, error: 'passkey.error.refused' },
  },
  {
    ...terms,
    name: 'terms',
    model: { ...accepting, termsUrl: 'https://example.com/terms', fieldErrors: {} },
  },
  { ...completing, name: 'complete-profile', model: { ...lacking, fieldErrors: {}, fields: [plain] } },
  {
    ...completing,
    name: 'complete-profile-errors',
    model: { ...lacking, fieldErrors: { department: 'profile.error.required' }, fields: [field, department] },
  },
  { ...verify, name: 'verify-address', model: { state: 'ask', email: 'ada@example.com' } },
  { ...verify, name: 'verify-address-done', model: { state: 'done', email: null } },
  { ...invited, name: 'invitation', model: { ...landing, invitation, registerHref: '/sign-up' } },
  { ...invited, name: 'invitation-over', model: { ...landing, invitation: null } },
  { ...accept, name: 'invitation-accept', model: { ...own, invitation, isTheirs: true } },
  { ...accept, name: 'invitation-other', model: { ...own, invitation, isTheirs: false } },
  { ...mine, name: 'profile', model: profile },
  { ...choosing, name: 'username', model: { username: 'ada', fieldErrors: {} } },
  {
    ...choosing,
    name: 'username-taken',
    model: { username: 'grace', fieldErrors: { username: 'register.error.usernameTaken' } },
  },
];
