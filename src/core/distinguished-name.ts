/** One attribute and its value; what is special in a value stands behind a backslash (RFC 4514 section 2.4). */
const ATTRIBUTE = /\s*([A-Za-z0-9][A-Za-z0-9.-]*)\s*=((?:\\.|[^\\,])+)(?:,(?=.)|$)/y;

/**
 * The attributes of a distinguished name, such as `CN=ops,O=Example`; none where the text is of another form.
 *
 * @example attributesOf('CN=ops,O=A\\, B'); // [['CN', 'ops'], ['O', 'A, B']]
 */
export function attributesOf(name: string): [type: string, value: string][] {
  return matchesIn(ATTRIBUTE, name).map(([, type = '', value = '']) => [type, value.trim().replace(/\\(.)/g, '$1')]);
}

/** One alternative name of a certificate, as node writes them: what might be taken for several stands in quotes. */
const ALTERNATIVE = /([A-Za-z ]+):("(?:\\.|[^"\\])*"|[^,]*)(?:, |$)/y;

/** The names in the text that node makes of a certificate's alternative ones, each as `DNS:ops.example`. */
export function alternativesIn(text: string): string[] {
  return matchesIn(ALTERNATIVE, text).map(([, type = '', value = '']) => {
    return `${type}:${value.startsWith('"') ? JSON.parse(value) : value}`;
  });
}

/** What a sticky expression matches, one behind the other; nothing where that is not all of the text. */
function matchesIn(expression: RegExp, text: string): RegExpExecArray[] {
  const found: RegExpExecArray[] = [];
  for (expression.lastIndex = 0; expression.lastIndex < text.length; ) {
    const match = expression.exec(text);
    if (!match) return [];
    found.push(match);
  }
  return found;
}
