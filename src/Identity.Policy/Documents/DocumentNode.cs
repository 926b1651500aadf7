namespace Identity.Policy.Documents;

/// <summary>A value of a YAML or JSON document and where it stands; only what both have, so no anchors, aliases or tags.</summary>
internal abstract class DocumentNode(int line, int column)
{
    public int Line => line;

    public int Column => column;

    public string Place => $"line {Line}, column {Column}";

    public abstract string Describe();

    /// <param name="isPlain">Written without quotes.</param>
    internal sealed class Scalar(string text, bool isPlain, int line, int column) : DocumentNode(line, column)
    {
        public string Text => text;

        // The spellings of "nothing" in YAML; quoted they are ordinary text.
        public bool IsNull => isPlain && text is "" or "~" or "null" or "Null" or "NULL";

        public override string Describe() => IsNull ? "nothing" : Quoted.From(text);
    }

    internal sealed class Mapping(IReadOnlyList<KeyValuePair<Scalar, DocumentNode>> fields, int line, int column) : DocumentNode(line, column)
    {
        public IReadOnlyList<KeyValuePair<Scalar, DocumentNode>> Fields => fields;

        public override string Describe() => "fields";
    }

    internal sealed class Sequence(IReadOnlyList<DocumentNode> items, int line, int column) : DocumentNode(line, column)
    {
        public IReadOnlyList<DocumentNode> Items => items;

        public override string Describe() => "a list";
    }
}

/// <summary>One document of a file, with the text it was read from.</summary>
internal sealed record DocumentTree(DocumentNode Root, string Source);
