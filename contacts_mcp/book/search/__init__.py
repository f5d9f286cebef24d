"""Finding contacts by what people remember of them, in the local index. No request is sent here.

- A **question** is a free text and exact filters. It is read as a phone, an e-mail, or words.
- A **hit** is a contact with its reasons: each word that was said, the word that was found for it, and how they relate.
- Everything works in ids of tags, members and fields. The caller resolves names, and checks hits against the service.
"""
