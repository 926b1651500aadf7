using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Identity.Policy.Documents;

/// <summary>
/// Turns YAML events into plain trees. JSON comes through the same door, being YAML. What lets one place of a document change the
/// meaning of another (anchors, aliases, tags, merge keys, directives, a key given twice) is refused.
/// </summary>
internal sealed class DocumentTreeReader
{
    /// <summary>Bytes of UTF-8.</summary>
    public const int MaxSize = 1 << 20;

    public const int MaxDepth = 32;

    private const int MaxDocuments = 10_000;

    private readonly string _source;
    private readonly Parser _parser;

    private DocumentTreeReader(string source)
    {
        _source = source;
        _parser = new Parser(new StringReader(source));
    }

    /// <summary>All documents of the text, in order; none when there was a problem, which is then in <paramref name="problems"/>.</summary>
    public static IReadOnlyList<DocumentTree> Read(string source, ProblemList problems, bool isStored = false)
    {
        if (source.Length > MaxSize || Encoding.UTF8.GetByteCount(source) > MaxSize)
        {
            problems.Add(1, 1, $"the file is larger than {MaxSize >> 10} KiB; split it");
            return [];
        }

        if (FindUnfit(source, isStored) is { } at)
        {
            problems.Add(
                source.AsSpan(0, at).Count('\n') + 1,
                at - source.AsSpan(0, at).LastIndexOf('\n'),
                source[at] == '\r'
                    ? "a carriage return (U+000D) without a line feed behind it begins a line that is not shown as one; end lines with a line feed"
                    : $"the character U+{(int)source[at]:X4} is not shown, or changes how the text around it is shown; leave it out");
            return [];
        }

        try
        {
            return new DocumentTreeReader(source).ReadDocuments();
        }
        catch (RefusedException refused)
        {
            problems.Add(refused.Line, refused.Column, refused.Message);
        }
        catch (YamlException malformed)
        {
            if (FindTabbedLine(source) is { } tabbed) problems.Add(tabbed, 1, "a tab indents this line; YAML is indented with spaces, and takes no tab for one");
            else problems.Add((int)malformed.Start.Line, (int)malformed.Start.Column, $"this is neither YAML nor JSON: {WithoutPosition(malformed)}");
        }

        return [];
    }

    // Who approves a document must see what is read: the parser takes U+0000 for the end, and what turns the direction of text shows another one. A carriage
    // return alone ends a line for the parser, and sends a terminal back to the beginning of the line it has just shown; documents that were put into force when it was
    // let pass are still read.
    // YAML 1.2 §5.1 (c-printable) without the controls that it keeps for old systems; CVE-2021-42574 for the direction.
    private static int? FindUnfit(string source, bool isStored)
    {
        for (var i = 0; i < source.Length; i++)
        {
            var unfit = source[i] switch
            {
                '\t' or '\n' => false,
                '\r' => !isStored && (i + 1 == source.Length || source[i + 1] != '\n'),
                < ' ' or (>= '\u007f' and <= '\u009f') => true,
                (>= '\u200e' and <= '\u200f') or (>= '\u2028' and <= '\u202e') or (>= '\u2066' and <= '\u2069') or '\u061c' => true,
                '\ufeff' => i > 0,
                '\ufffe' or '\uffff' => true,
                _ => false,
            };
            if (unfit) return i;
        }

        return null;
    }

    // JSON may have tabs there, so this explains what could not be read and refuses nothing.
    private static int? FindTabbedLine(string source)
    {
        var number = 0;
        foreach (var line in source.AsSpan().EnumerateLines())
        {
            number++;
            var indentation = line[..^line.TrimStart().Length];
            if (indentation.Contains('\t') && indentation.Length < line.Length) return number;
        }

        return null;
    }

    private List<DocumentTree> ReadDocuments()
    {
        var roots = new List<(DocumentNode Root, int Start)>();
        var starts = new List<int>();
        while (Advance())
        {
            switch (_parser.Current)
            {
                case StreamStart or StreamEnd or DocumentEnd:
                    break;
                case DocumentStart start:
                    if (start.Version is not null || start.Tags is { Count: > 0 } && !start.IsImplicit && HasDirectives(start))
                        throw Refuse(start, "directives ('%…') are not used here; leave them out");
                    if (starts.Count == MaxDocuments) throw Refuse(start, $"the file holds more than {MaxDocuments} documents; split it");
                    starts.Add(starts.Count == 0 ? 0 : (int)start.Start.Index);
                    break;
                case { } first:
                    roots.Add((ReadNode(first, depth: 1), starts[^1]));
                    break;
            }
        }

        var trees = new List<DocumentTree>();
        for (var i = 0; i < roots.Count; i++)
        {
            var end = i + 1 < roots.Count ? roots[i + 1].Start : _source.Length;
            trees.Add(new DocumentTree(roots[i].Root, _source[roots[i].Start..end]));
        }

        // A '---' with nothing behind it is a separator too many, not a document.
        trees.RemoveAll(tree => tree.Root is DocumentNode.Scalar { IsNull: true });
        return trees;
    }

    private static bool HasDirectives(DocumentStart start) =>
        start.Tags!.Any(tag => (tag.Handle, tag.Prefix) is not (("!", "!") or ("!!", "tag:yaml.org,2002:")));

    private DocumentNode ReadNode(ParsingEvent current, int depth)
    {
        if (depth > MaxDepth) throw Refuse(current, $"the document is nested more than {MaxDepth} deep, which nothing here needs; take out a level of fields or lists");
        if (current is AnchorAlias alias) throw Refuse(current, $"the alias {Quoted.From("*" + alias.Value.Value)} is not allowed; write the value out (and quote text that begins with '*')");
        if (current is not NodeEvent node) throw Refuse(current, "expected a value");
        if (!node.Anchor.IsEmpty) throw Refuse(current, $"the anchor {Quoted.From("&" + node.Anchor.Value)} is not allowed; write the value out where it is used");
        if (!node.Tag.IsEmpty) throw Refuse(current, "tags ('!…') are not allowed; write the plain value");
        return current switch
        {
            Scalar scalar => new DocumentNode.Scalar(scalar.Value, scalar.Style == ScalarStyle.Plain, Line(scalar), Column(scalar)),
            SequenceStart => ReadSequence(current, depth),
            MappingStart => ReadMapping(current, depth),
            _ => throw Refuse(current, "expected a value"),
        };
    }

    private DocumentNode.Sequence ReadSequence(ParsingEvent start, int depth)
    {
        var items = new List<DocumentNode>();
        while (Next() is not SequenceEnd) items.Add(ReadNode(_parser.Current!, depth + 1));
        return new DocumentNode.Sequence(items, Line(start), Column(start));
    }

    private DocumentNode.Mapping ReadMapping(ParsingEvent start, int depth)
    {
        var fields = new List<KeyValuePair<DocumentNode.Scalar, DocumentNode>>();
        var names = new Dictionary<string, DocumentNode>(StringComparer.Ordinal);
        while (Next() is var current and not MappingEnd)
        {
            var read = ReadNode(current, depth + 1);
            if (read is not DocumentNode.Scalar key) throw Refuse(current, $"a field's name must be plain text, found {read.Describe()}; write fields as name: value");
            if (key.Text == "<<") throw Refuse(current, "merge keys ('<<') are not allowed; write the fields out");
            if (!names.TryAdd(key.Text, key)) throw Refuse(current, $"the field {Quoted.From(key.Text)} is given twice, first in {names[key.Text].Place}; leave one out");
            fields.Add(new(key, ReadNode(Next(), depth + 1)));
        }

        return new DocumentNode.Mapping(fields, Line(start), Column(start));
    }

    private ParsingEvent Next() => Advance() ? _parser.Current! : throw new RefusedException(1, 1, "the document ends before all that it begins; close its brackets and quotes");

    private bool Advance()
    {
        var last = _parser.Current?.End ?? new Mark();
        try
        {
            return _parser.MoveNext();
        }
        catch (Exception fault) when (fault is InvalidOperationException or ArgumentException or IndexOutOfRangeException or FormatException or OverflowException)
        {
            // The scanner answers some malformed texts with the exceptions of its own containers.
            throw new RefusedException((int)Math.Max(1, last.Line), (int)Math.Max(1, last.Column), "this is neither YAML nor JSON from here on; look at the quotes, brackets and indentation around it");
        }
    }

    private static int Line(ParsingEvent at) => (int)at.Start.Line;

    private static int Column(ParsingEvent at) => (int)at.Start.Column;

    private static RefusedException Refuse(ParsingEvent at, string text) => new(Line(at), Column(at), text);

    private static string WithoutPosition(YamlException malformed)
    {
        var message = malformed.Message;
        // Some messages begin with "(Line: 1, Col: 2, Idx: 3) - …: "; the position is told apart already.
        var end = message.StartsWith("(Line", StringComparison.Ordinal) ? message.IndexOf("): ", StringComparison.Ordinal) : -1;
        return end < 0 ? message : message[(end + 3)..];
    }

    private sealed class RefusedException(int line, int column, string message) : Exception(message)
    {
        public int Line => line;

        public int Column => column;
    }
}
