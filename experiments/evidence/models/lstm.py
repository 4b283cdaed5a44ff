"""Networks with long short-term memory that foretell the next token of a text."""

from torch import Tensor, nn


class LSTM(nn.Module):
    """An embedding, layers of LSTM from a state of 0, and a linear layer: scores of shape (N, window, classes)."""

    def __init__(self, classes: int, width: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, width)
        self.memory = nn.LSTM(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.Linear(width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """The scores of each next token, from tokens of shape (N, window)."""
        remembered, _ = self.memory(self.dropout(self.embedding(tokens)))
        scores: Tensor = self.scores(self.dropout(remembered))
        return scores


def character_lstm(shape: tuple[int, ...], classes: int, width: int = 96) -> nn.Module:
    """One layer, small enough for a CPU."""
    return LSTM(classes, width, 1)


def lstm(shape: tuple[int, ...], classes: int, width: int = 512, dropout: float = 0.5) -> nn.Module:
    """The paper's: two layers, 512 embedding and 512 hidden dimensions (Appendix D.2); its dropout is recalled."""
    return LSTM(classes, width, 2, dropout)
