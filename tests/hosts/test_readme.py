"""The commands of a Markdown document."""

from tests.hosts.readme import Block, blocks
from tools.cluster.instance import CHECKOUT

DOCUMENT = """\
# Title

```sh
make up      # starts it
# only a comment

curl -d '{"a":"#1"}' \\
  http://localhost/x#y
```

## Output

```
not a command
# not a heading
```

    sh -c indented

```python
print("no shell")
```

### Later

```sh
ls
```
"""


def test_shell_blocks_have_their_heading_and_commands_without_comments() -> None:
    assert blocks(DOCUMENT) == [
        Block("Title", ("make up", "curl -d '{\"a\":\"#1\"}'   http://localhost/x#y")),
        Block("Later", ("ls",)),
    ]


def test_block_in_a_list_has_its_text_without_the_indentation() -> None:
    (block,) = blocks("1. First\n\n   ```sh\n   for i in 1; do\n     ls  # all\n   done\n   ```\n")
    assert block.script == "for i in 1; do\n  ls  # all\ndone"
    assert block.commands == ("for i in 1; do", "ls", "done")


def test_unfinished_block_is_left_out() -> None:
    assert blocks("```sh\nls\n") == []


def test_this_readme_has_the_commands_that_it_promises() -> None:
    commands = [command for block in blocks((CHECKOUT / "README.md").read_text()) for command in block.commands]
    assert {"make up", "make test", "make prove"} <= set(commands)
