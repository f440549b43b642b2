/** What stands in the place of a credential, in what the API and the log show. */
export const REDACTED = '<redacted>';
