// Every error code the product answers with: its HTTP status and a sentence that is safe to show to anybody.
// A code never changes meaning. docs/errors.md is generated from this table.

export const errors = {
  internal_error: {
    status: 500,
    sentence: 'Something went wrong on our side. The request id helps us find it.',
  },
  server_busy: { status: 503, sentence: 'The server is busy. Please try again in a moment.' },
  database_unavailable: {
    status: 503,
    sentence: 'The server cannot reach its database. Please try again in a moment.',
  },
  database_unreachable: {
    status: 503,
    sentence:
      'Nothing that answers as PostgreSQL is at the address in DATABASE_URL. Check that it runs and that host and port are right.',
  },
  database_login_refused: {
    status: 403,
    sentence:
      'PostgreSQL refuses the user or the password in DATABASE_URL. Correct them, or give the user its password anew.',
  },
  database_missing: {
    status: 404,
    sentence:
      'PostgreSQL has no database of the name in DATABASE_URL. Correct the name, or make it: createdb --owner=USER NAME.',
  },
  database_not_allowed: {
    status: 403,
    sentence:
      'The user in DATABASE_URL may not change the schema of its database. Make that user the owner of the database.',
  },
  port_in_use: {
    status: 409,
    sentence: 'Another program already listens at this address. Stop it, or set PORT to another number.',
  },
  data_in_use: {
    status: 409,
    sentence:
      'Another Gatehouse server already runs on this data. Stop it first, or set DATA_DIRECTORY to another directory. Several servers share a database with DATABASE_URL.',
  },
  data_not_found: { status: 404, sentence: 'There is no data of Gatehouse in this database.' },
  data_moved: {
    status: 409,
    sentence:
      'This data was moved to another database. Set DATABASE_URL to that one, or take the move back with `gatehouse move --undo`.',
  },
  database_in_use: {
    status: 409,
    sentence: 'A server or command of Gatehouse works on this database. Stop it first.',
  },
  database_not_empty: {
    status: 409,
    sentence:
      'There is data in this database already. Choose an empty one; a restore may replace it with --replace.',
  },
  database_newer: {
    status: 409,
    sentence: 'A newer release has worked on this database. Use that release, or choose an empty database.',
  },
  backup_broken: { status: 422, sentence: 'This is not a whole, unchanged backup.' },
  backup_passphrase_wrong: {
    status: 422,
    sentence: 'The passphrase does not open this backup, or the file was changed.',
  },
  backup_newer: {
    status: 409,
    sentence: 'The backup was made by a newer release. Restore it with that release or a later one.',
  },
  master_key_missing: {
    status: 409,
    sentence:
      'The master key that sealed the secrets in this copy is not at hand. Put keys/ of the server it was made from in its place, or set MASTER_KEY.',
  },
  copy_differs: {
    status: 500,
    sentence: 'What was written is not what was read. Nothing was changed; please try again.',
  },

  not_found: { status: 404, sentence: 'There is nothing at this address.' },
  method_not_allowed: { status: 405, sentence: 'This address does not answer to that method.' },
  request_invalid: { status: 400, sentence: 'The request is not valid.' },
  body_malformed: { status: 400, sentence: 'The request body could not be read.' },
  body_too_large: { status: 413, sentence: 'The request body is too large.' },
  content_type_unsupported: {
    status: 415,
    sentence: 'The request body is of a type that is not accepted here.',
  },
  rate_limited: { status: 429, sentence: 'Too many requests. Please wait and try again.' },

  not_recognised: {
    status: 401,
    sentence:
      'This is no key or token that is known here. Check that it was copied whole, and to this server.',
  },
  credential_expired: { status: 401, sentence: 'This key or token has expired. Get a new one.' },
  credential_revoked: { status: 401, sentence: 'This key or token was revoked. Get a new one.' },
  credential_disabled: { status: 401, sentence: 'This key is disabled. Enable it, or use another one.' },
  credential_retired: {
    status: 401,
    sentence: 'This key was rotated, and the time of its old secret is over. Use the new one.',
  },
  credential_owner_inactive: {
    status: 401,
    sentence: 'The owner of this key is suspended, disabled or gone. Use a key of another owner.',
  },
  credential_parent_inactive: {
    status: 401,
    sentence: 'A key that this one was made from works no more, and so does this one. Make a new one.',
  },
  proof_required: {
    status: 401,
    sentence: 'This token is bound to a key of its holder. Send a fresh DPoP proof of that key with it.',
  },
  address_not_allowed: {
    status: 403,
    sentence: 'The key may not be used from this address. Call from another one, or add it to the key.',
  },
  api_not_allowed: {
    status: 403,
    sentence: 'The key or token is not for this API. Use one that is.',
  },
  permission_missing: {
    status: 403,
    sentence: 'The key or token does not hold the permission that this needs.',
  },
  constraint_violated: {
    status: 403,
    sentence: 'The key is for certain values only: this one is not among them, or was not told.',
  },
  credential_in_url: {
    status: 400,
    sentence:
      'A key or token stood in the address, and addresses are written to logs. Send it in a header, and replace it.',
  },
  leak_report_not_signed: {
    status: 401,
    sentence:
      'The report is not signed with a key that is known here. Sign the bytes of the body, and name the key: Github-Public-Key-Identifier, Github-Public-Key-Signature.',
  },
  leak_report_keys_unavailable: {
    status: 503,
    sentence: 'The public keys of whoever reports cannot be fetched now. Please send the report again later.',
  },
  proxy_not_trusted: {
    status: 403,
    sentence:
      'Only proxies may ask here. Name the address of this one in FORWARD_AUTH_PROXIES, or let it send FORWARD_AUTH_SECRET.',
  },

  authentication_required: { status: 401, sentence: 'A valid access token or API key is required.' },
  permission_denied: {
    status: 403,
    sentence: 'The access token or API key does not hold the permission this needs.',
  },
  password_sign_in_needed: {
    status: 403,
    sentence:
      'A sign-in by a mail code alone sets up no second factor. Sign in with the password, or a passkey, and try it again.',
  },
  insufficient_user_authentication: {
    status: 401,
    sentence:
      'This needs a recent sign-in, with what the account demands: sign in again as WWW-Authenticate says. No API key is enough.',
  },
  form_expired: { status: 403, sentence: 'This form has expired. Please open the page again.' },
  cross_site_request: { status: 403, sentence: 'This request came from another site and was refused.' },

  precondition_required: {
    status: 428,
    sentence: 'Say which version you mean: send the ETag of the last answer as If-Match.',
  },
  version_conflict: {
    status: 412,
    sentence: 'It was changed in the meantime. Load it again and retry.',
  },
  idempotency_key_in_use: {
    status: 409,
    sentence: 'A request with this Idempotency-Key is still under way. Send it again in a moment.',
  },
  idempotency_key_reused: {
    status: 422,
    sentence: 'This Idempotency-Key was used for another request. Use a new key for each.',
  },
  idempotency_answer_lost: {
    status: 409,
    sentence:
      'The request with this Idempotency-Key was carried out, but its answer was lost. The ledger says what was done.',
  },

  account_not_found: { status: 404, sentence: 'There is no such account.' },
  identifier_taken: { status: 409, sentence: 'This mail address or user name is already in use.' },
  identifier_invalid: { status: 400, sentence: 'This is not a valid mail address or user name.' },
  last_admin: {
    status: 409,
    sentence: 'This is the last administrator. Make another account administrator first.',
  },

  account_suspended: {
    status: 409,
    sentence: 'The account is suspended. Reinstate it first.',
  },
  email_missing: {
    status: 409,
    sentence: 'The account has no mail address. Ask for delivery by link, and hand the link over.',
  },
  email_present: {
    status: 409,
    sentence: 'The account has a mail address, and the link goes there. Ask for delivery by mail.',
  },

  password_too_short: { status: 400, sentence: 'The password is too short.' },
  password_too_long: { status: 400, sentence: 'The password is too long.' },
  password_common: {
    status: 400,
    sentence: 'This password is on the list of commonly used passwords. Choose another one.',
  },
  password_contextual: {
    status: 400,
    sentence: 'The password is too close to your name, address or this product. Choose another one.',
  },
  password_reused: {
    status: 400,
    sentence: 'You have used this password before. Choose another one.',
  },
  password_breached: {
    status: 400,
    sentence: 'This password is known from a data breach. Choose another one.',
  },

  factor_not_found: { status: 404, sentence: 'The account has no such second factor.' },
  factor_exists: {
    status: 409,
    sentence: 'This is a second factor of the account already. Use it, or remove it first.',
  },
  passkey_invalid: {
    status: 400,
    sentence: 'This passkey could not be added. Open the page again, and try once more or with another one.',
  },
  factor_needed: {
    status: 409,
    sentence: 'The account needs a second factor, and this is the last one; add another one first.',
  },
  passkey_needed: {
    status: 409,
    sentence:
      'The account has no password, and this is its only passkey that signs in alone; choose a password or add another passkey first.',
  },
  factor_limit: {
    status: 409,
    sentence: 'The account has as many second factors as are allowed. Remove one first.',
  },
  code_wrong: {
    status: 400,
    sentence: 'This code is not right. Check it and type it again, or have a new one sent or shown.',
  },
  code_expired: {
    status: 410,
    sentence: 'This code was used, replaced or guessed at too often, or its time is over. Ask for a new one.',
  },
  codes_limited: {
    status: 429,
    sentence: 'As many codes were sent as are allowed for now. Please wait before you ask for another one.',
  },
  enrolment_expired: {
    status: 410,
    sentence: 'This set-up was finished or its time is over. Begin it again.',
  },
  phone_number_invalid: {
    status: 400,
    sentence: 'This is not a phone number with its country, such as +43 660 1234567.',
  },
  phone_country_not_allowed: {
    status: 400,
    sentence: 'No messages are sent to numbers of this country. Choose another number or another way.',
  },
  channel_unavailable: {
    status: 409,
    sentence: 'This server sends no messages of this kind. Choose another way.',
  },

  api_not_found: { status: 404, sentence: 'There is no such API.' },
  api_audience_taken: { status: 409, sentence: 'Another API already has this audience.' },
  api_in_use: { status: 409, sentence: 'Clients still refer to this API.' },
  api_invalid: { status: 400, sentence: 'The API is not valid.' },
  api_protected: {
    status: 409,
    sentence: 'This API belongs to the server itself and cannot be changed in this way.',
  },
  permission_invalid: {
    status: 400,
    sentence: 'A permission has the form resource:action or resource:action:selector.',
  },

  organization_not_found: { status: 404, sentence: 'There is no such organization.' },
  organization_slug_taken: { status: 409, sentence: 'Another organization already has this slug.' },
  organization_bound: {
    status: 403,
    sentence:
      'This credential acts within its organization only, and this is not part of one. Use a credential that is bound to no organization.',
  },
  member_not_found: {
    status: 404,
    sentence: 'This account is not a member of the organization. Make it a member first.',
  },
  team_not_found: { status: 404, sentence: 'There is no such team in this organization.' },
  team_name_taken: {
    status: 409,
    sentence: 'Another team of this organization already has this name.',
  },

  invitation_not_found: { status: 404, sentence: 'There is no such invitation in this organization.' },
  invitations_limited: {
    status: 429,
    sentence:
      'As many invitations were sent to this address, or by this organization, as are allowed in a day. Please wait before you send another one.',
  },
  invitation_ended: {
    status: 409,
    sentence: 'This invitation was accepted, taken back or is too old. Make a new one.',
  },
  registration_code_not_found: { status: 404, sentence: 'There is no such registration code.' },
  registration_code_used_up: {
    status: 409,
    sentence: 'This registration code was used as often as it may be, or it ended. Ask for a new one.',
  },

  role_not_found: { status: 404, sentence: 'There is no such role, or not in this organization.' },
  role_name_taken: { status: 409, sentence: 'Another role already has this name there.' },
  role_invalid: { status: 400, sentence: 'The role is not valid.' },
  role_cycle: {
    status: 409,
    sentence:
      'A role cannot inherit from itself, neither directly nor by way of others. Leave that parent out.',
  },
  role_assigned: {
    status: 409,
    sentence:
      'The role is assigned. Take it away from those who have it, or say that its assignments are to end with it.',
  },
  role_inherited: {
    status: 409,
    sentence: 'Other roles inherit this one. Take it out of their parents first.',
  },
  role_protected: {
    status: 409,
    sentence: 'The role admin keeps its name and every permission, and is always there.',
  },
  subject_not_found: {
    status: 404,
    sentence: 'There is no such account, team, client or API key, or not in this organization.',
  },

  api_key_not_found: { status: 404, sentence: 'There is no such API key.' },
  api_key_invalid: { status: 400, sentence: 'The API key is not valid: correct the fields that are named.' },
  api_key_ended: {
    status: 409,
    sentence: 'This API key does not work any more, or one above it or its owner does not. Make a new key.',
  },
  api_key_permission_not_held: {
    status: 403,
    sentence:
      'A key can do no more than its owner and whoever makes it. Leave out the permissions that are named, or have them given to both first.',
  },
  api_key_wider_than_parent: {
    status: 400,
    sentence: 'A sub-key can only be narrower than the key above it. Narrow the fields that are named.',
  },
  api_key_bound: {
    status: 403,
    sentence:
      'A key with bounds of its own makes, changes, enables and rotates only keys below itself. Give parentId, or ask with a key without bounds or as a person.',
  },
  api_key_not_by_itself: {
    status: 403,
    sentence:
      'A key changes and enables neither itself nor a key above it. Ask with another key or as a person.',
  },
  api_key_sub_key_limit: {
    status: 409,
    sentence: 'The key has as many sub-keys, or as many levels of them, as are allowed. Revoke one first.',
  },
  api_key_secret_limit: {
    status: 409,
    sentence:
      'The key has as many working secrets as are allowed. Wait until one ends, or rotate without an overlap.',
  },

  client_not_found: { status: 404, sentence: 'There is no such client.' },
  client_id_taken: { status: 409, sentence: 'Another client already has this id.' },
  client_id_invalid: {
    status: 400,
    sentence:
      'A client id has 3 to 128 letters, digits, dots, dashes and underscores, and does not look like an account id.',
  },
  client_metadata_invalid: { status: 400, sentence: 'The client metadata is not valid.' },
  client_protected: {
    status: 409,
    sentence: 'This client belongs to the server itself and cannot be changed in this way.',
  },
  client_secret_not_found: { status: 404, sentence: 'The client has no such secret.' },
  client_secret_limit: {
    status: 409,
    sentence: 'The client has as many active secrets as are allowed. Retire one first.',
  },
  redirect_uri_invalid: {
    status: 400,
    sentence:
      'A redirect URI is https, a loopback http address, or a private-use scheme of a native app, without a fragment.',
  },

  signing_key_too_young: {
    status: 409,
    sentence:
      'The next signing key was published too recently for verifiers to know it. Wait, or force the rotation.',
  },

  signing_key_not_found: { status: 404, sentence: 'There is no such signing key.' },
  signing_key_in_use: {
    status: 409,
    sentence: 'This key signs tokens now. Rotate first, or withdraw it with --rotate, which does both.',
  },

  master_key_not_found: { status: 404, sentence: 'This machine has no such master key, or no new one.' },
  master_key_ambiguous: {
    status: 409,
    sentence: 'There are several new master keys. Say which one: `gatehouse master-key activate ID`.',
  },
  master_key_waiting: {
    status: 409,
    sentence: 'A new master key is waiting to be put to use. Run `gatehouse master-key activate`.',
  },
  master_key_by_setting: {
    status: 409,
    sentence:
      'The master key is given by MASTER_KEY. Make one with `openssl rand -base64 32`, set MASTER_KEY to it and MASTER_KEY_PREVIOUS to the one so far on every server, restart them, and run `gatehouse master-key activate`.',
  },
  master_key_not_everywhere: {
    status: 409,
    sentence:
      'A running server does not hold this master key. Copy its file to the keys directory there, or set MASTER_KEY_PREVIOUS, and try again.',
  },
  master_key_in_use: {
    status: 409,
    sentence: 'This master key is still needed. `gatehouse master-key status` shows by what.',
  },

  resource_not_found: { status: 404, sentence: 'There is no such registered resource.' },
  resource_invalid: {
    status: 400,
    sentence:
      'A resource has a type that a permission can name, an id, and properties that are a small JSON object.',
  },

  job_not_found: { status: 404, sentence: 'There is no such job.' },

  budget_exceeded: {
    status: 402,
    sentence:
      'A budget does not allow this much. The details say which one, what is used of it and when it begins anew.',
  },
  budget_not_found: { status: 404, sentence: 'There is no such budget.' },
  budget_invalid: { status: 400, sentence: 'The budget is not valid.' },
  budget_scope_not_found: {
    status: 404,
    sentence:
      'There is nothing that this budget could limit: no such account, client, key, team or organization.',
  },
  budget_wider: {
    status: 409,
    sentence:
      'The limit is above that of a key it was made from, on the same meter and window. Choose a lower one.',
  },
  amount_invalid: {
    status: 400,
    sentence:
      'An amount is a whole number from 0 to 9007199254740991, and so is what it adds up to. Money is counted in millionths.',
  },
  meter_unknown: {
    status: 422,
    sentence:
      'There is no such meter. Use requests, tokens or money, or register it: `gatehouse budget add-meter`.',
  },
  meter_not_reserved: {
    status: 422,
    sentence: 'The reservation holds nothing on this meter. Reserve on every meter that will be settled.',
  },
  meter_not_found: { status: 404, sentence: 'There is no such meter.' },
  meter_taken: { status: 409, sentence: 'There is a meter of this name already.' },
  meter_in_use: { status: 409, sentence: 'There are budgets on this meter. Delete them first.' },
  meter_protected: { status: 409, sentence: 'This meter is always there and cannot be removed.' },
  reservation_not_found: { status: 404, sentence: 'There is no such reservation.' },
  reservation_settled: {
    status: 409,
    sentence: 'This reservation was settled already; nothing was counted again.',
  },
  reservation_released: {
    status: 409,
    sentence: 'This reservation was released already. Reserve again before more is used.',
  },
  reservation_expired: {
    status: 409,
    sentence:
      'This reservation has expired, and what it held was given back. Reserve for longer, or settle sooner.',
  },

  session_not_found: { status: 404, sentence: 'There is no such session.' },
  grant_not_found: { status: 404, sentence: 'There is no such grant.' },
  logout_delivery_not_found: {
    status: 404,
    sentence: 'There is no such logout notice that could be sent again.',
  },

  message_not_found: { status: 404, sentence: 'There is no such message, or it was sent already.' },
  message_expired: {
    status: 409,
    sentence: 'The code or link in this message works no more, so it is not sent again. Ask for a new one.',
  },

  not_signed_in: { status: 401, sentence: 'Nobody is signed in at this terminal. Run `gatehouse login`.' },
  sign_in_refused: { status: 403, sentence: 'The sign-in was refused.' },
  device_code_expired: {
    status: 410,
    sentence: 'The code has expired before anybody signed in. Start again.',
  },
  issuer_unreachable: {
    status: 503,
    sentence: 'The server does not answer. Check that it runs and that ISSUER is right.',
  },
  token_file_unsafe: {
    status: 403,
    sentence: 'Others can read the token file. Delete it, or run `chmod 600` on it.',
  },
  token_file_broken: { status: 409, sentence: 'The token file cannot be read. Delete it and sign in again.' },

  already_set_up: {
    status: 409,
    sentence: 'There is an account already. Add others with `gatehouse user create`.',
  },
  owner_not_found: {
    status: 404,
    sentence: 'This server has no owner; start it once with AUTH_MODE=single_user.',
  },
  setup_link_invalid: { status: 404, sentence: 'This set-up link is not valid or was already used.' },
} as const satisfies Record<string, { status: number; sentence: string }>;

export type ErrorCode = keyof typeof errors;
